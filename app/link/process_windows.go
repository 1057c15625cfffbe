package link

import (
	"fmt"
	"sync"

	"golang.org/x/sys/windows"
)

// process stands for a process, not for a number that another process may get
// later: as long as it is open, Windows gives the number to no other.
type process struct {
	mu     sync.Mutex
	handle windows.Handle // 0 after close
}

// openProcess opens a process to look at it.
func openProcess(pid int) (*process, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return nil, fmt.Errorf("hold on to the process: %w", err)
	}
	return &process{handle: h}, nil
}

func (p *process) alive() bool { return p.started() != 0 }

// started is when the process started, in units of 100 ns since 1601; 0 if it
// has ended.
func (p *process) started() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handle == 0 {
		return 0
	}
	if ended, err := windows.WaitForSingleObject(p.handle, 0); err != nil || ended != uint32(windows.WAIT_TIMEOUT) {
		return 0
	}
	var created, exit, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(p.handle, &created, &exit, &kernel, &user); err != nil {
		return 0
	}
	return uint64(created.HighDateTime)<<32 | uint64(created.LowDateTime)
}

// The forms of an executable's path.
const (
	pathForPeople = 0 // C:\Program Files\…
	pathForKernel = 1 // \Device\HarddiskVolume2\Program Files\…, which no drive letter can change
)

// program is the path of the executable that the process was started from.
func (p *process) program(form uint32) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return programOf(p.handle, form)
}

func programOf(process windows.Handle, form uint32) (string, error) {
	path := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(path))
	if err := windows.QueryFullProcessImageName(process, form, &path[0], &size); err != nil {
		return "", fmt.Errorf("name the program: %w", err)
	}
	return windows.UTF16ToString(path[:size]), nil
}

func (p *process) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handle != 0 {
		windows.CloseHandle(p.handle)
		p.handle = 0
	}
}

// startTicks is when a process started, in units of 100 ns since 1601; 0 if it
// is gone.
func startTicks(pid int) uint64 {
	p, err := openProcess(pid)
	if err != nil {
		return 0
	}
	defer p.close()
	return p.started()
}
