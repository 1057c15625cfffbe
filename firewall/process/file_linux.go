package process

import (
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// gone is what the kernel writes behind the path of a file that is no longer there.
const gone = " (deleted)"

// file reads what is to be known of the executable.
func (f *Facts) file() (known File) {
	var is unix.Stat_t
	if unix.Stat(proc(f.PID, "exe"), &is) != nil {
		return known
	}
	known.Changed = time.Unix(is.Ctim.Unix()).UTC()
	var there unix.Stat_t
	switch err := unix.Stat(proc(f.PID, "root"+f.Path), &there); {
	case err == nil && there.Dev == is.Dev && there.Ino == is.Ino:
		known.Writer, known.Writable = f.writer()
	case is.Nlink == 0 && strings.HasPrefix(f.Path, "/memfd:"):
		known.MemoryOnly = true
	case strings.HasSuffix(f.Path, gone):
		known.Deleted = true
	}
	return known
}

// writer finds who, save root, may change what is at the path of the
// executable. Access lists are not looked at.
func (f *Facts) writer() (who, what string) {
	groups := groupsOf(readSmall(proc(f.PID, "status")))
	for p := path.Clean(f.Path); ; p = path.Dir(p) {
		var st unix.Stat_t
		if unix.Lstat(proc(f.PID, "root"+p), &st) != nil {
			return "", ""
		}
		// In a folder with the sticky bit only the owner of a thing may replace
		// it: that was looked at one level below.
		others := st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&unix.S_ISVTX == 0
		switch {
		case others && st.Mode&unix.S_IWOTH != 0:
			return anyone, p
		case who != "": // only who is anyone says more
		case st.Uid != 0:
			who, what = userName(st.Uid), p
		case others && f.UID > 0 && st.Mode&unix.S_IWGRP != 0 && slices.Contains(groups, st.Gid):
			who, what = userName(uint32(f.UID)), p
		}
		if p == "/" {
			return who, what
		}
	}
}

// groupsOf are the groups in the text of /proc/PID/status.
func groupsOf(status string) (groups []uint32) {
	for line := range strings.Lines(status) {
		key, list, _ := strings.Cut(line, ":")
		if key != "Gid" && key != "Groups" {
			continue
		}
		for _, word := range strings.Fields(list) {
			if n, err := strconv.ParseUint(word, 10, 32); err == nil {
				groups = append(groups, uint32(n))
			}
		}
	}
	return groups
}

func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
