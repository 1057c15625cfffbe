package interpreter

import (
	"path"
	"regexp"
	"strings"
)

// family is a kind of interpreters that understand the same command line.
type family struct {
	name  string         // one of firewall.Families
	files *regexp.Regexp // what their executables are called, on Windows in small letters and without ".exe"
	options
}

// families is the one list of interpreters.
var families = []family{
	{"sh", regexp.MustCompile(`^(sh|bash|rbash|dash|ash|zsh|[lm]?ksh(93)?)(-?[0-9.]+)?$`), shell},
	{"python", regexp.MustCompile(`^(python|pypy)w?[0-9.]*[dt]?$`), python},
	{"perl", regexp.MustCompile(`^w?perl[0-9.]*$`), perl},
	{"ruby", regexp.MustCompile(`^rubyw?[0-9.]*$`), ruby},
	{"node", regexp.MustCompile(`^node(js)?[0-9.]*$`), node},
	{"java", regexp.MustCompile(`^javaw?$`), java},
	{"powershell", regexp.MustCompile(`^pwsh(-preview)?$`), powershell},
}

// windowsFamilies are those that Windows has besides.
var windowsFamilies = []family{
	{"powershell", regexp.MustCompile(`^powershell$`), windowsPowerShell},
	{"cmd", regexp.MustCompile(`^cmd$`), options{}}, // see batch
	{"wscript", regexp.MustCompile(`^[wc]script$`), scriptHost},
}

// Folders are the patterns, as for [filepath.Glob], of the folders in which
// systems install interpreters. Others are met when they run.
var Folders = []string{
	"/usr/bin", "/usr/local/bin", "/opt/*/bin", "/usr/lib/jvm/*/bin", "/usr/lib/jvm/*/jre/bin", "/usr/local/lib/*/bin",
	"/opt/microsoft/powershell/*", "/home/linuxbrew/.linuxbrew/Cellar/*/*/bin", "/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin",
}

// HomeFolders are patterns of the folders in which people install interpreters
// of their own, with what manages versions of them.
var HomeFolders = inHomes(
	".pyenv/versions/*/bin", ".local/share/uv/python/*/bin", "*conda*/bin", "*conda*/envs/*/bin", "*mamba*/bin", "*mamba*/envs/*/bin", "miniforge*/bin",
	".nvm/versions/node/*/bin", ".volta/tools/image/node/*/bin", ".rbenv/versions/*/bin", ".rvm/rubies/*/bin", ".plenv/versions/*/bin",
	".sdkman/candidates/java/*/bin", ".asdf/installs/*/*/bin", ".local/share/mise/installs/*/*/bin",
)

func inHomes(folders ...string) (patterns []string) {
	for _, home := range []string{"/home/*", "/root"} {
		for _, folder := range folders {
			patterns = append(patterns, home+"/"+folder)
		}
	}
	return patterns
}

// Of returns the family of the interpreter with this path; ok is false if it is
// none.
func Of(file string) (name string, ok bool) {
	if f := of(file); f != nil {
		return f.name, true
	}
	return "", false
}

func of(file string) *family {
	name, lists := path.Base(file), [][]family{families}
	if isOfWindows(file) {
		name = strings.ToLower(file[strings.LastIndexAny(file, `\/`)+1:])
		var executable bool
		if name, executable = strings.CutSuffix(name, ".exe"); !executable {
			return nil
		}
		lists = append(lists, windowsFamilies)
	}
	for _, list := range lists {
		for i := range list {
			if list[i].files.MatchString(name) {
				return &list[i]
			}
		}
	}
	return nil
}

// isOfWindows tells whether a path is an absolute one of Windows.
func isOfWindows(file string) bool {
	return strings.HasPrefix(file, `\\`) || len(file) > 2 && file[1] == ':' && file[2] == '\\'
}
