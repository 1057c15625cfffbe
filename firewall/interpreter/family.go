package interpreter

import (
	"path"
	"regexp"
)

// family is a kind of interpreters that understand the same command line.
type family struct {
	name  string         // one of firewall.Families
	files *regexp.Regexp // what their executables are called
	options
}

// families is the one list of interpreters.
var families = []family{
	{"sh", regexp.MustCompile(`^(sh|bash|rbash|dash|ash|zsh|[lm]?ksh(93)?)(-?[0-9.]+)?$`), shell},
	{"python", regexp.MustCompile(`^(python|pypy)[0-9.]*d?$`), python},
	{"perl", regexp.MustCompile(`^perl[0-9.]*$`), perl},
	{"ruby", regexp.MustCompile(`^ruby[0-9.]*$`), ruby},
	{"node", regexp.MustCompile(`^node(js)?[0-9.]*$`), node},
	{"java", regexp.MustCompile(`^java$`), java},
	{"powershell", regexp.MustCompile(`^pwsh(-preview)?$`), powershell},
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
	if f := of(path.Base(file)); f != nil {
		return f.name, true
	}
	return "", false
}

func of(base string) *family {
	for i := range families {
		if families[i].files.MatchString(base) {
			return &families[i]
		}
	}
	return nil
}
