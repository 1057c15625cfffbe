package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/windows"
)

// wait holds the process by its handle before it compares the start, so that a
// number used again in between cannot be mistaken.
func wait(ctx context.Context, pid int, started time.Time) error {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	defer windows.CloseHandle(h)
	if !Runs(pid, started) {
		return nil
	}
	cancelled, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { windows.SetEvent(cancelled); close(done) })
	defer func() {
		if !stop() {
			<-done
		}
		windows.CloseHandle(cancelled)
	}()
	met, err := windows.WaitForMultipleObjects([]windows.Handle{h, cancelled}, false, windows.INFINITE)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("watch process %d: %w", pid, err)
	case met != windows.WAIT_OBJECT_0:
		return fmt.Errorf("watch process %d: %d handles were met", pid, met)
	}
	return nil
}
