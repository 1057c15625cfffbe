package process

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// recorded is what a package database says of a file.
type recorded struct {
	Owner
	path   string           // where the file is, without a folder that is a link
	digest []byte           // nil: not recorded
	hash   func() hash.Hash // that made the digest
}

// packages is a package database.
type packages interface {
	find(path string) (recorded, bool)
}

// ownership is what the databases below a folder say of the files there.
type ownership struct {
	root      string
	databases []packages
}

var system = ownership{"/", []packages{newDpkg("/"), rpm{"/"}}}

func ownerOf(path string) (Owner, bool) { return system.ownerOf(path) }

func (s ownership) ownerOf(path string) (Owner, bool) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return Owner{}, false
	}
	for _, database := range s.databases {
		if r, ok := database.find(path); ok {
			if r.Why == "" {
				r.Why = r.differs(s.root)
			}
			r.Intact = r.Why == ""
			return r.Owner, true
		}
	}
	return Owner{}, false
}

// differs says why the file is not the one recorded; "" if it is.
func (r recorded) differs(root string) string {
	if r.digest == nil {
		return "its package records no digest for it"
	}
	file, err := openRoots(root, r.path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	h := r.hash()
	if _, err := io.Copy(h, file); err != nil {
		return "it cannot be read"
	}
	if subtle.ConstantTimeCompare(h.Sum(nil), r.digest) != 1 {
		return "changed since its package put it there"
	}
	return ""
}

// RootsAlone returns nil if nobody but root can have made the file or folder at
// an absolute path what it is, nor can change, replace or move it: it and all
// folders above belong to root, nobody else may write to them, and none is a
// link. The error says why not.
func RootsAlone(path string) error { return RootsAloneBelow("/", path) }

// RootsAloneBelow is [RootsAlone] for a path in a folder, above which nothing is
// looked at.
func RootsAloneBelow(folder, path string) error {
	if err := rootsAbove(folder, path); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(folder, path), &st); err != nil {
		return errors.New("it cannot be looked at")
	}
	return rootsFile(&st)
}

func rootsAbove(folder, path string) error {
	for _, name := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		var st unix.Stat_t
		if err := unix.Lstat(folder, &st); err != nil {
			return errors.New("its folder cannot be looked at")
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return fmt.Errorf("the folder %s is a link", folder)
		}
		if !isRoots(&st) {
			return fmt.Errorf("others than root may write to the folder %s", folder)
		}
		folder = filepath.Join(folder, name)
	}
	return nil
}

func rootsFile(st *unix.Stat_t) error {
	switch kind := st.Mode & unix.S_IFMT; {
	case kind != unix.S_IFREG && kind != unix.S_IFDIR:
		return errors.New("not a regular file")
	case !isRoots(st):
		return errors.New("others than root may write to it")
	}
	return nil
}

// openRoots opens a regular file that is root's alone.
func openRoots(root, path string) (*os.File, error) {
	if err := rootsAbove(root, path); err != nil {
		return nil, err
	}
	name := filepath.Join(root, path)
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.New("it cannot be opened, or is a link")
	}
	file := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		err = rootsFile(&st)
	}
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("not a regular file")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// isRoots tells whether only root may write. The bits of the group are also the
// most that an access list grants.
func isRoots(st *unix.Stat_t) bool {
	return st.Uid == 0 && st.Mode&(unix.S_IWGRP|unix.S_IWOTH) == 0
}
