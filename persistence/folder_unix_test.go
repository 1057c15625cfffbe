//go:build unix

package persistence

import (
	"fmt"
	"os"
)

// isPrivate says what others may do with a file or folder.
func isPrivate(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	want := os.FileMode(0o600)
	if info.IsDir() {
		want = 0o700
	}
	if info.Mode().Perm() != want {
		return fmt.Errorf("%s has mode %v", name, info.Mode())
	}
	return nil
}
