//go:build !unix

package persistence

import "os"

// tryLock relies on bbolt's own lock.
func tryLock(*os.File) (bool, error) { return true, nil }

func outOfRoom(error) bool { return false }

func owned(os.FileInfo) bool { return true }
