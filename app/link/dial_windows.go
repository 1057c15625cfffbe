package link

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/persistence/acl"
	"sallyport.dev/sallyport/ui"
)

// DefaultAddress is where engine, windows and commands meet unless told
// otherwise. Windows lets only administrators make a pipe of this prefix, so
// that nobody else can take the name before the engine does.
const DefaultAddress = localPipe + `ProtectedPrefix\Administrators\sallyport`

const localPipe = `\\.\pipe\`

// pipeRights are reading and writing without the right to make another
// instance of the pipe, that is, to stand in for the engine.
const pipeRights = windows.FILE_GENERIC_READ | windows.FILE_GENERIC_WRITE&^windows.FILE_APPEND_DATA

// dial connects to the engine. The engine may learn who we are, but not act as
// us. Nothing is sent before it is certain that an administrator made the pipe.
func dial(ctx context.Context, address string) (net.Conn, error) {
	if err := isLocal(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	c, err := winio.DialPipeAccessImpLevel(ctx, address, pipeRights, winio.PipeImpLevelIdentification)
	if err != nil {
		return nil, err
	}
	if err := madeByAdministrator(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// isLocal refuses a pipe of another computer.
func isLocal(address string) error {
	if len(address) <= len(localPipe) || !strings.EqualFold(address[:len(localPipe)], localPipe) {
		return fmt.Errorf("%w: pipe %q: want a name that begins with %s", ui.ErrInvalid, address, localPipe)
	}
	return nil
}

// madeByAdministrator refuses a pipe that an ordinary program made: it can make
// an administrator the owner of nothing.
func madeByAdministrator(c net.Conn) error {
	handle, err := pipeHandle(c)
	if err != nil {
		return err
	}
	sd, err := windows.GetSecurityInfo(handle, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("read whose the pipe is: %w", err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("read whose the pipe is: %w", err)
	}
	if owner == nil || !owner.IsWellKnown(windows.WinLocalSystemSid) && !owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) {
		return fmt.Errorf("%w: the pipe is not the engine's: it belongs to %s", ui.ErrRefused, acl.Name(owner))
	}
	return nil
}

func pipeHandle(c net.Conn) (windows.Handle, error) {
	f, ok := c.(interface{ Fd() uintptr })
	if !ok {
		return 0, fmt.Errorf("%T is no pipe", c)
	}
	return windows.Handle(f.Fd()), nil
}
