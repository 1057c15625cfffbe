package netfilter

import (
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// scriptAt is the path without symbolic links of the script that a process
// opened by a path when it began, or why it may have been another one.
func scriptAt(script string, began time.Time) (real, why string) {
	const changed = "its script was changed since it was started"
	rest, real := strings.Split(script, "/"), "/"
	for links := 0; len(rest) > 0; {
		var name string
		if name, rest = rest[0], rest[1:]; name == ".." {
			real = path.Dir(real)
		}
		if name == "" || name == "." || name == ".." {
			continue
		}
		at := path.Join(real, name)
		if at == "/proc" || at == "/dev" {
			return "", "its script is no file on disk" // and another one for each process
		}
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return "", "its script is not there any more"
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := os.Readlink(at)
			if links++; err != nil || links > 40 {
				return "", "its script is not there any more"
			}
			if time.Unix(st.Ctim.Unix()).After(began) {
				return "", changed
			}
			if path.IsAbs(target) {
				real = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		case unix.S_IFREG:
			if len(rest) > 0 {
				return "", "its script is not there any more"
			}
			if time.Unix(st.Ctim.Unix()).After(began) {
				return "", changed
			}
			return at, ""
		case unix.S_IFDIR:
			real = at
		default:
			return "", "its script is no file on disk"
		}
	}
	return "", "what it runs is a folder"
}

// onlyRoots tells whether only root can change which file is at a path.
func onlyRoots(file string) bool {
	for at := file; ; at = path.Dir(at) {
		var st unix.Stat_t
		if unix.Lstat(at, &st) != nil || st.Uid != 0 || st.Mode&0o022 != 0 || st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return false
		}
		if at == "/" || at == "." {
			return at == "/"
		}
	}
}
