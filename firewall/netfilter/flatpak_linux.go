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
)

// isFlatpakPath tells whether an app of Flatpak, if there are any here, sees its
// own files at such a path. The files of runtimes, which it sees below /usr, say
// nothing of the app: anybody can run them with an app beside them.
func isFlatpakPath(path string) bool {
	if !strings.HasPrefix(path, "/app/") {
		return false
	}
	_, err := os.Stat(flatpakApps)
	return err == nil
}

// flatpak says which app of the system's installation a program is of: the
// file that runs is the app's own one, opened here.
func (i *identities) flatpak(key kernelProgram, pid uint32, p firewall.Program) firewall.Program {
	theirs, err := mountsOf(strconv.Itoa(int(pid)))
	if pid == 0 || err != nil {
		return untold(pid)
	}
	paths, err := here(theirs, p.Path)
	if err != nil {
		return p
	}
	for _, path := range paths {
		if strings.Contains(path, flatpakOfUser) {
			if same, _ := i.same(key, path); same {
				p.Why = "a Flatpak app that its user may change"
			}
			continue
		}
		id := parseFlatpak(path)
		if id == "" || process.RootsAlone(path) != nil {
			continue
		}
		if same, _ := i.same(key, path); same {
			return firewall.Program{Kind: firewall.Packaged, Path: path, Package: "flatpak:" + id}
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
