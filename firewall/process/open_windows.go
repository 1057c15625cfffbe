package process

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// opened is a process that is held by its handle: its number is not given to
// another one meanwhile.
type opened struct {
	windows.Handle
	pid     int
	started time.Time
}

// open opens a process for what may be asked of any; the caller closes it.
func open(pid int) (opened, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		return opened{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	if err != nil {
		return opened{}, fmt.Errorf("open process %d: %w", pid, err)
	}
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &created, &exited, &kernel, &user); err != nil {
		windows.CloseHandle(h)
		return opened{}, fmt.Errorf("start of process %d: %w", pid, err)
	}
	return opened{h, pid, time.Unix(0, created.Nanoseconds()).UTC()}, nil
}

func (p opened) close() { windows.CloseHandle(p.Handle) }

// commandLine is how the process was called, as it was written.
func (p opened) commandLine() (string, error) {
	for size := uint32(1 << 10); size <= 1<<20; size *= 2 {
		buffer := make([]uint64, size/8) // aligned for a NTUnicodeString
		err := windows.NtQueryInformationProcess(p.Handle, windows.ProcessCommandLineInformation, unsafe.Pointer(&buffer[0]), size, nil)
		if errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("command line of process %d: %w", p.pid, err)
		}
		return (*windows.NTUnicodeString)(unsafe.Pointer(&buffer[0])).String(), nil
	}
	return "", fmt.Errorf("command line of process %d: too long", p.pid)
}

// Where a process of 64 bits keeps its folder: in the parameters that the block
// at its base points to (PEB.ProcessParameters, CurrentDirectory.DosPath).
const (
	parametersAt = 0x20
	folderAt     = 0x38
)

// folder is the process's current one, which the process may change, and write
// into its memory whatever it likes.
func (p opened) folder() (string, error) {
	failed := func(err error) (string, error) { return "", fmt.Errorf("folder of process %d: %w", p.pid, err) }
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.PROCESS_VM_READ, false, uint32(p.pid))
	if err != nil {
		return failed(err)
	}
	defer windows.CloseHandle(h) // the number is still the process's, which is open
	var basic [6]uintptr         // PROCESS_BASIC_INFORMATION, without pointers that are another process's
	if err := windows.NtQueryInformationProcess(h, windows.ProcessBasicInformation, unsafe.Pointer(&basic[0]), uint32(unsafe.Sizeof(basic)), nil); err != nil {
		return failed(err)
	}
	var parameters uintptr
	if err := windows.ReadProcessMemory(h, basic[1]+parametersAt, (*byte)(unsafe.Pointer(&parameters)), unsafe.Sizeof(parameters), nil); err != nil {
		return failed(err)
	}
	var text [2]uintptr // UNICODE_STRING: the length in bytes, and where it is
	if err := windows.ReadProcessMemory(h, parameters+folderAt, (*byte)(unsafe.Pointer(&text[0])), unsafe.Sizeof(text), nil); err != nil {
		return failed(err)
	}
	buffer := make([]uint16, text[0]&0xffff/2+1)
	if err := windows.ReadProcessMemory(h, text[1], (*byte)(unsafe.Pointer(&buffer[0])), text[0]&0xfffe, nil); err != nil {
		return failed(err)
	}
	return windows.UTF16ToString(buffer), nil
}

// image is the path of the process's executable as the system tells it, in the
// form of Windows or of its kernel.
func (p opened) image(flags uint32) (string, error) {
	buffer := make([]uint16, 1<<15) // a path has at most 32,767 characters
	size := uint32(len(buffer))
	if err := windows.QueryFullProcessImageName(p.Handle, flags, &buffer[0], &size); err != nil {
		return "", fmt.Errorf("path of process %d: %w", p.pid, err)
	}
	return windows.UTF16ToString(buffer[:size]), nil
}
