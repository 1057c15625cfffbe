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

// commandLine is how the process was called, as it was written. The process may
// have changed it since.
func (p opened) commandLine() (string, error) {
	for size := uint32(1 << 10); size <= 1<<20; size *= 2 {
		buffer := make([]uint64, size/8) // aligned for a NTUnicodeString
		err := windows.NtQueryInformationProcess(p.Handle, windows.ProcessCommandLineInformation, unsafe.Pointer(&buffer[0]), size, nil)
		if errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) {
			continue
		}
		if err != nil { // Windows before 8.1
			return p.parameter(commandLineAt)
		}
		return (*windows.NTUnicodeString)(unsafe.Pointer(&buffer[0])).String(), nil
	}
	return "", fmt.Errorf("command line of process %d: too long", p.pid)
}

// folder is the process's current one, which the process may change.
func (p opened) folder() (string, error) { return p.parameter(folderAt) }

// Where a process of 64 bits keeps its parameters, which the block at its base
// points to (PEB.ProcessParameters), and what of them is where. All of it is the
// process's own memory, into which it may write whatever it likes.
const (
	parametersAt  = 0x20
	folderAt      = 0x38 // CurrentDirectory.DosPath
	commandLineAt = 0x70
)

// parameter reads one of the process's parameters.
func (p opened) parameter(at uintptr) (string, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.PROCESS_VM_READ, false, uint32(p.pid))
	if err != nil {
		return "", fmt.Errorf("read the memory of process %d: %w", p.pid, err)
	}
	defer windows.CloseHandle(h) // the number is still the process's, which is open
	text, err := parameterOf(h, at)
	if err != nil {
		return "", fmt.Errorf("read the memory of process %d: %w", p.pid, err)
	}
	buffer := make([]uint16, text.length/2+1)
	if text.length > 1 {
		if err := windows.ReadProcessMemory(h, text.at, (*byte)(unsafe.Pointer(&buffer[0])), uintptr(text.length&^1), nil); err != nil {
			return "", fmt.Errorf("read the memory of process %d: %w", p.pid, err)
		}
	}
	return windows.UTF16ToString(buffer), nil
}

// foreignText is a UNICODE_STRING in another process.
type foreignText struct {
	length, room uint16 // in bytes
	at           uintptr
}

// parameterOf finds a parameter of a process whose memory may be read.
func parameterOf(h windows.Handle, at uintptr) (text foreignText, err error) {
	var basic [6]uintptr // PROCESS_BASIC_INFORMATION, without pointers that are another process's
	if err := windows.NtQueryInformationProcess(h, windows.ProcessBasicInformation, unsafe.Pointer(&basic[0]), uint32(unsafe.Sizeof(basic)), nil); err != nil {
		return text, err
	}
	var parameters uintptr
	if err := windows.ReadProcessMemory(h, basic[1]+parametersAt, (*byte)(unsafe.Pointer(&parameters)), unsafe.Sizeof(parameters), nil); err != nil {
		return text, err
	}
	err = windows.ReadProcessMemory(h, parameters+at, (*byte)(unsafe.Pointer(&text)), unsafe.Sizeof(text), nil)
	return text, err
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
