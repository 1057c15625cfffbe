package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/windows"
)

// claimName names an event of this session; the system forgets it when the
// last process that has it ends.
const claimName = `Local\dev.sallyport.Sallyport.show`

// sessionClaim makes the desktop program the only one of its session: a second
// one finds the event and sets it, which asks the first to show itself.
type sessionClaim struct {
	asked, closed windows.Handle
	serving       sync.Mutex
}

var procAllowForeground = windows.NewLazySystemDLL("user32.dll").NewProc("AllowSetForegroundWindow")

// claimSession claims the session, or returns errShown.
func claimSession(context.Context) (*sessionClaim, error) {
	name, err := windows.UTF16PtrFromString(claimName)
	if err != nil {
		return nil, err
	}
	asked, err := windows.CreateEvent(nil, 0, 0, name)
	switch {
	case errors.Is(err, windows.ERROR_ALREADY_EXISTS):
		defer windows.CloseHandle(asked)
		// The person started this one, so only this one may pass the focus on.
		const anyProcess = ^uintptr(0)
		procAllowForeground.Call(anyProcess)
		if err := windows.SetEvent(asked); err != nil {
			return nil, fmt.Errorf("show the desktop program that runs already: %w", err)
		}
		return nil, errShown
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return nil, errors.New("the desktop program runs already in this session, as an administrator")
	case err != nil:
		return nil, fmt.Errorf("be the only desktop program of this session: %w", err)
	}
	closed, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		windows.CloseHandle(asked)
		return nil, fmt.Errorf("be the only desktop program of this session: %w", err)
	}
	return &sessionClaim{asked: asked, closed: closed}, nil
}

// serve calls show for each further start, until the claim is closed.
func (c *sessionClaim) serve(show func()) {
	c.serving.Lock()
	defer c.serving.Unlock()
	// The claim's end comes first: it counts where both have happened.
	for c.asked != 0 {
		event, err := windows.WaitForMultipleObjects([]windows.Handle{c.closed, c.asked}, false, windows.INFINITE)
		if err != nil || event == windows.WAIT_OBJECT_0 {
			return
		}
		show()
	}
}

// Close gives the session up.
func (c *sessionClaim) Close() error {
	if err := windows.SetEvent(c.closed); err != nil {
		return err
	}
	c.serving.Lock() // nobody waits for them any more
	defer c.serving.Unlock()
	err := errors.Join(windows.CloseHandle(c.asked), windows.CloseHandle(c.closed))
	c.asked = 0
	return err
}
