package persistence

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks the file unless another process has it locked.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// outOfRoom tells errors of the system's resources, and of a program such as a
// virus scanner that has the file open, from a damaged file.
func outOfRoom(err error) bool {
	for _, e := range []error{
		windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED, windows.ERROR_FILE_TOO_LARGE, windows.ERROR_WRITE_PROTECT,
		windows.ERROR_TOO_MANY_OPEN_FILES, windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_COMMITMENT_LIMIT,
		windows.ERROR_NO_SYSTEM_RESOURCES, windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
