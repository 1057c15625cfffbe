//go:build unix

package persistence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// makeFolder makes the folder private. It leaves a folder alone that others
// use, such as /tmp.
func makeFolder(dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	_, known := os.Lstat(filepath.Join(dir, name))
	if !owned(info) || len(files) > 0 && known != nil {
		return fmt.Errorf("folder %s is open to other users: name one of its own, with mode 0700", dir)
	}
	return os.Chmod(dir, 0o700)
}

// owned tells whether the folder is ours alone to change.
func owned(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && info.Mode()&os.ModeSticky == 0
}

// syncFolder writes the folder's names to disk.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
