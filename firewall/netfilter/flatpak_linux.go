package netfilter

import (
	"os"
	"strconv"
	"strings"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

const (
	// flatpakApps is the system's installation, which is root's.
	flatpakApps = "/var/lib/flatpak/app"
	// flatpakOfUser is where, in a home, the user's own is.
	flatpakOfUser = "/.local/share/flatpak/app/"
	// flatpakItself is the program, which is there where only users have apps.
	flatpakItself = "/usr/bin/flatpak"
)

// isFlatpakPath tells whether an app of Flatpak, if there are any here, sees its
// own files at such a path. The files of runtimes, which it sees below /usr, say
// nothing of the app: anybody can run them with an app beside them.
func isFlatpakPath(path string) bool {
	if !strings.HasPrefix(path, "/app/") {
		return false
	}
	_, apps := os.Stat(flatpakApps)
	_, itself := os.Stat(flatpakItself)
	return apps == nil || itself == nil
}

// flatpak says which app of the system's installation a program is of: the
// file that runs is the app's own one, opened here. Users can change the apps of
// their own installations: a program of these is the file at its path there,
// whatever version of the app that is of, as other programs of users are.
func (i *identities) flatpak(key kernelProgram, pid uint32, p subject) subject {
	theirs, err := mountsOf(strconv.Itoa(int(pid)))
	if pid == 0 || err != nil {
		return untold(pid)
	}
	paths, err := here(theirs, p.Path)
	if err != nil {
		return p
	}
	for _, path := range paths {
		if stable := ofUser(path); stable != "" {
			if same, _ := i.same(key, stable); same {
				return subject{firewall.Program{Kind: firewall.Executable, Path: stable}, p.stamp, true}
			}
			continue
		}
		id := parseFlatpak(path)
		if id == "" || process.RootsAlone(path) != nil {
			continue
		}
		if same, _ := i.same(key, path); same {
			p.Program = firewall.Program{Kind: firewall.Packaged, Path: path, Package: "flatpak:" + id}
			return p
		}
	}
	return p
}

// parseFlatpak is the app that a file is of:
// /var/lib/flatpak/app/ID/ARCHITECTURE/BRANCH/COMMIT/files/...
func parseFlatpak(path string) (id string) {
	rest, ok := below(path, flatpakApps)
	if parts := strings.Split(rest, "/"); ok && len(parts) > 6 && parts[5] == "files" {
		return parts[1]
	}
	return ""
}

// ofUser is the path, "" if it has none, that a file of a user's app has in each
// version: HOME/.local/share/flatpak/app/ID/ARCHITECTURE/BRANCH/active/files/...
// where the file's own has COMMIT, to which active is a link.
func ofUser(path string) (stable string) {
	at := strings.Index(path, flatpakOfUser)
	if at < 0 {
		return ""
	}
	at += len(flatpakOfUser)
	parts := strings.Split(path[at:], "/")
	if len(parts) < 6 || parts[4] != "files" {
		return ""
	}
	parts[3] = "active"
	return path[:at] + strings.Join(parts, "/")
}
