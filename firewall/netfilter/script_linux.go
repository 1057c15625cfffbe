package netfilter

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
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

// scriptStamp is the stamp of the file at a path; zero if there is none. What
// another one has in the same inode has another change time.
func scriptStamp(file string) (s firewall.Stamp) {
	var st unix.Stat_t
	if unix.Lstat(file, &st) == nil {
		s = firewall.Stamp{Device: unix.Major(st.Dev)<<20 | unix.Minor(st.Dev), Inode: st.Ino, Changed: st.Ctim.Nano()}
	}
	return s
}

// stampOfBoth is the stamp of two files together: another one if either is
// another, of the time when the last of them changed.
func stampOfBoth(a, b firewall.Stamp) firewall.Stamp {
	sum := sha256.Sum256([]byte(a.String() + " " + b.String()))
	return firewall.Stamp{
		Device: binary.NativeEndian.Uint32(sum[:]), Generation: binary.NativeEndian.Uint32(sum[4:]), Inode: binary.NativeEndian.Uint64(sum[8:]),
		Changed: max(a.Changed, b.Changed),
	}
}
