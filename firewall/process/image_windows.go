package process

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	// processImageFileMapping has the kernel compare an open file with the one
	// that a process was made of (PROCESSINFOCLASS).
	processImageFileMapping = 44
	fileExecute             = 0x20
)

// replaced tells whether the process was made of another file than the one that
// is open, which lies where the system says that its file is. It is false where
// the system does not tell.
func (p opened) replaced(f file) bool {
	return tellsImages() && errors.Is(p.madeOf(f.path), windows.STATUS_UNSUCCESSFUL)
}

// madeOf returns no error if the process was made of the file at the path, and
// STATUS_UNSUCCESSFUL if of another.
func (p opened) madeOf(path string) error {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_INFORMATION, false, uint32(p.pid))
	if err != nil {
		return err
	}
	defer windows.CloseHandle(process) // the number is still the process's, which is open
	name, err := windows.UTF16PtrFromString(longPath(path))
	if err != nil {
		return err
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	there, err := windows.CreateFile(name, fileExecute|windows.SYNCHRONIZE, share, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(there)
	return windows.NtQueryInformationProcess(process, processImageFileMapping, unsafe.Pointer(&there), uint32(unsafe.Sizeof(there)), nil)
}

// tellsImages tells whether the system knows our own file from another one, as
// Wine does not.
var tellsImages = sync.OnceValue(func() bool {
	self, err := open(os.Getpid())
	if err != nil {
		return false
	}
	defer self.close()
	own, err := os.Executable()
	if err != nil || self.madeOf(own) != nil {
		return false
	}
	system, err := windows.GetSystemDirectory()
	return err == nil && errors.Is(self.madeOf(filepath.Join(system, "kernel32.dll")), windows.STATUS_UNSUCCESSFUL)
})
