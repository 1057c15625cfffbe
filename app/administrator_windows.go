package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/ui"
)

func restartEngine(ctx context.Context) error { return asAdministrator(ctx, "service", "start") }

func recoverNetwork(ctx context.Context) error { return asAdministrator(ctx, "recover") }

// executeInfo is shell32's SHELLEXECUTEINFOW.
type executeInfo struct {
	size, mask                   uint32
	window                       windows.HWND
	verb, file, args, folder     *uint16
	show                         int32
	instance, idList             uintptr
	class                        *uint16
	classKey, hotKey, iconHandle uintptr
	process                      windows.Handle
}

var procShellExecute = windows.NewLazySystemDLL("shell32.dll").NewProc("ShellExecuteExW")

// withConsent is the engine, with an administrator's consent asked for where it
// is needed.
func withConsent(engine ui.Control) ui.Control { return consent{engine, asAdministrator} }

// asAdministrator runs a command of this program as an administrator, for which
// the system asks the person, and waits for its end. The error says which
// command to type.
func asAdministrator(ctx context.Context, command ...string) error {
	typed := fmt.Sprintf("you can type, in a terminal of an administrator: sallyport %s", strings.Join(command, " "))
	program, err := beside(consoleFile)
	if err != nil {
		return err
	}
	process, err := runAs(program, strings.Join(command, " "))
	if errors.Is(err, windows.ERROR_CANCELLED) {
		return fmt.Errorf("an administrator must permit this (%s)", typed)
	}
	if err != nil {
		return fmt.Errorf("start %s as an administrator: %w (%s)", program, err, typed)
	}
	defer windows.CloseHandle(process)
	status, err := ending(ctx, process)
	if err != nil {
		return fmt.Errorf("wait for sallyport %s: %w (%s)", command[0], err, typed)
	}
	if status != done {
		return fmt.Errorf("sallyport %s failed with status %d (to see why, %s)", command[0], status, typed)
	}
	return nil
}

// runAs starts a program through the shell, which alone can ask the person.
func runAs(program, args string) (windows.Handle, error) {
	const keepProcess, hidden = 0x40, 0
	runtime.LockOSThread() // the shell may use COM, which belongs to a thread
	defer runtime.UnlockOSThread()
	if err := windows.CoInitializeEx(0, windows.COINIT_APARTMENTTHREADED|windows.COINIT_DISABLE_OLE1DDE); err == nil {
		defer windows.CoUninitialize()
	}
	info := executeInfo{mask: keepProcess, show: hidden}
	info.size = uint32(unsafe.Sizeof(info))
	var err error
	for _, text := range []struct {
		to *(*uint16)
		s  string
	}{{&info.verb, "runas"}, {&info.file, program}, {&info.args, args}} {
		if *text.to, err = windows.UTF16PtrFromString(text.s); err != nil {
			return 0, err
		}
	}
	if ok, _, err := procShellExecute.Call(uintptr(unsafe.Pointer(&info))); ok == 0 {
		return 0, err
	}
	return info.process, nil
}

// ending waits for a process and returns its exit status.
func ending(ctx context.Context, process windows.Handle) (status uint32, err error) {
	patience := uint32(windows.INFINITE)
	if until, limited := ctx.Deadline(); limited {
		patience = uint32(max(0, time.Until(until).Milliseconds()))
	}
	event, err := windows.WaitForSingleObject(process, patience)
	switch {
	case err != nil:
		return 0, err
	case event != windows.WAIT_OBJECT_0:
		return 0, context.DeadlineExceeded
	}
	err = windows.GetExitCodeProcess(process, &status)
	return status, err
}
