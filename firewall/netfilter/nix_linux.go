package netfilter

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall/process"
)

// nixProfiles is what root has installed with Nix: NixOS itself, and what is
// there for all users elsewhere.
var nixProfiles = []string{"/run/current-system/sw", "/nix/var/nix/profiles/default"}

// nixOf names the Nix package below root that an executable is of, "" if it is
// of none. To be in the store is not enough: who may build packages may call
// them as they like. It is the very file that a profile of root's has at the
// same place in it.
func nixOf(root, path string) string {
	name, inner := parseNix(path)
	if name == "" || !inStore(root, path) {
		return ""
	}
	have, err := os.Lstat(filepath.Join(root, path))
	if err != nil || !have.Mode().IsRegular() {
		return ""
	}
	for _, profile := range nixProfiles {
		file, ok := inProfile(root, profile+inner)
		if !ok {
			continue
		}
		if want, err := os.Lstat(file); err == nil && os.SameFile(have, want) {
			return "nix:" + name + inner
		}
	}
	return ""
}

// maxLinks follow each other in a path; the kernel follows as many.
const maxLinks = 40

// inProfile follows the links of a path below root, as long as nobody but
// root can have put them there, to a file of the store.
func inProfile(root, path string) (file string, ok bool) {
	done, rest := "/", strings.Split(path[1:], "/")
	for links := 0; len(rest) > 0; {
		next := filepath.Join(done, rest[0])
		rest = rest[1:]
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(root, next), &st) != nil || st.Uid != 0 {
			return "", false
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			if st.Mode&(unix.S_IWGRP|unix.S_IWOTH) != 0 && st.Mode&unix.S_ISVTX == 0 {
				return "", false // where it is not sticky, others can put their own links into the place of root's
			}
			done = next
			continue
		}
		to, err := os.Readlink(filepath.Join(root, next))
		if links++; err != nil || links > maxLinks {
			return "", false
		}
		if filepath.IsAbs(to) {
			done = "/"
		}
		rest = append(strings.Split(strings.Trim(to, "/"), "/"), rest...)
	}
	return filepath.Join(root, done), strings.HasPrefix(done, nixStore) && inStore(root, done)
}

const nixStore = "/nix/store/"

// inStore tells whether a path of the store is root's from the package down.
// The store itself may be writable for those who build, and is then sticky:
// nobody can exchange what root put there.
func inStore(root, path string) bool {
	var store unix.Stat_t
	if unix.Lstat(filepath.Join(root, nixStore), &store) != nil || store.Uid != 0 ||
		store.Mode&unix.S_IWOTH != 0 || store.Mode&unix.S_IWGRP != 0 && store.Mode&unix.S_ISVTX == 0 ||
		process.RootsAloneBelow(root, "nix") != nil {
		return false
	}
	entry, inner, _ := strings.Cut(strings.TrimPrefix(path, nixStore), "/")
	return inner != "" && process.RootsAloneBelow(filepath.Join(root, nixStore, entry), inner) == nil
}

// parseNix takes the path of a file in the store apart: the name of its
// package, without the version, and the path in it.
func parseNix(path string) (name, inner string) {
	rest, ok := strings.CutPrefix(path, nixStore)
	entry, inner, inside := strings.Cut(rest, "/")
	const digits = 32 // of the hash, in Nix's own base 32
	if !ok || !inside || inner == "" || len(entry) < digits+2 || entry[digits] != '-' ||
		strings.Trim(entry[:digits], "0123456789abcdfghijklmnpqrsvwxyz") != "" {
		return "", ""
	}
	return nixName(entry[digits+1:]), "/" + inner
}

// nixName is the name without the version, which begins, says Nix, after the
// first hyphen that no letter follows.
func nixName(s string) string {
	for i := range len(s) - 1 {
		if next := s[i+1] | 0x20; s[i] == '-' && (next < 'a' || next > 'z') {
			return s[:i]
		}
	}
	return s
}
