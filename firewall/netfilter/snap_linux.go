package netfilter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sallyport.dev/sallyport/firewall/process"
)

// snapFiles is where snapd keeps the revisions of snaps.
const snapFiles = "/var/lib/snapd/snaps"

// snapFolders is where it mounts them: on most systems, and on Fedora's.
var snapFolders = []string{"/snap", "/var/lib/snapd/snap"}

// snapOf names the snap that an executable is of, "" if it is of none: it is
// on the file system that is mounted, in our namespace, where snapd mounts the
// revision, from snapd's own file, which nobody but root can have put there.
func snapOf(path string, device uint32) string {
	name, revision, inner := parseSnap(path)
	if name == "" {
		return ""
	}
	mounts, err := mountsOf("self")
	if err != nil {
		return ""
	}
	at := mountAt(mounts, path)
	if at == nil || at.Mountpoint != strings.TrimSuffix(path, inner) || at.Root != "/" || at.FSType != "squashfs" ||
		uint32(at.Major)<<20|uint32(at.Minor) != device {
		return ""
	}
	backing, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/loop/backing_file", at.Major, at.Minor))
	file := filepath.Join(snapFiles, name+"_"+revision+".snap")
	if err != nil || strings.TrimSuffix(string(backing), "\n") != file || process.RootsAlone(file) != nil {
		return ""
	}
	return "snap:" + name + inner
}

// parseSnap takes the path of a snap's file apart: /snap/NAME/REVISION/INNER.
// A revision that somebody installed from a file is x1, x2, ...
func parseSnap(path string) (name, revision, inner string) {
	for _, folder := range snapFolders {
		rest, ok := below(path, folder)
		if !ok {
			continue
		}
		name, rest, _ = strings.Cut(rest[1:], "/")
		revision, rest, ok = strings.Cut(rest, "/")
		number := strings.TrimPrefix(revision, "x")
		if ok && name != "" && rest != "" && number != "" && strings.Trim(number, "0123456789") == "" {
			return name, revision, "/" + rest
		}
	}
	return "", "", ""
}
