package netfilter

import (
	"fmt"
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

// sameInside tells whether a process has the same file as this one at a path
// without symbolic links.
func sameInside(pid uint32, file string) bool {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, file, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var here, there unix.Stat_t
	return unix.Lstat(file, &here) == nil && unix.Fstat(fd, &there) == nil && here.Dev == there.Dev && here.Ino == there.Ino
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
