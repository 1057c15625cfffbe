package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/ui"
)

// pipeBuffer is how much waits in a pipe in each direction, in bytes.
const pipeBuffer = 64 << 10

// Listen opens the pipe for those that the access lets in. It must be the
// first to do so: another engine, or a program that took the name, is an error.
func Listen(address string, a Access) (net.Listener, error) {
	if err := isLocal(address); err != nil {
		return nil, err
	}
	l, err := winio.ListenPipe(address, &winio.PipeConfig{
		SecurityDescriptor: a.pipeAccess(), InputBufferSize: pipeBuffer, OutputBufferSize: pipeBuffer,
	})
	if err != nil {
		return nil, whyNoPipe(address, err)
	}
	return newListener(patient{l}, a, namePipe), nil
}

// patient is a listener that a peer which hangs up while it connects does not
// end.
type patient struct{ net.Listener }

func (l patient) Accept() (net.Conn, error) {
	const most, pause = 100, 10 * time.Millisecond
	for failures := 1; ; failures++ {
		c, err := l.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) || failures == most {
			return c, err
		}
		<-time.After(pause)
	}
}

// pipeAccess is the pipe's owner and access list. Who comes over the network
// is refused; who is logged on may use it, but not make another instance.
func (a Access) pipeAccess() string {
	sddl := "O:BAG:BAD:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)"
	if a.LoggedOn {
		sddl += fmt.Sprintf("(A;;%#x;;;IU)", uint32(pipeRights))
	}
	return sddl
}

// whyNoPipe says why the pipe could not be made.
func whyNoPipe(address string, err error) error {
	c, dialed := dial(context.Background(), address)
	if dialed == nil {
		c.Close()
		return fmt.Errorf("%w on %s", ErrRunning, address)
	}
	switch {
	case errors.Is(dialed, ui.ErrRefused):
		return fmt.Errorf("open pipe %s: another program took its name: %w", address, dialed)
	case errors.Is(dialed, windows.ERROR_FILE_NOT_FOUND) && errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return fmt.Errorf("open pipe %s: only an administrator can: %w", address, err)
	case errors.Is(dialed, context.DeadlineExceeded):
		return fmt.Errorf("%w on %s", ErrRunning, address)
	}
	return fmt.Errorf("open pipe %s: %w", address, err)
}
