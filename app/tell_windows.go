package app

import "golang.org/x/sys/windows"

var procGetConsoleWindow = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetConsoleWindow")

// tellInWindow says why the windows do not open, where no console could say it.
func tellInWindow(err error) error {
	if console, _, _ := procGetConsoleWindow.Call(); err == nil || console != 0 {
		return err
	}
	text, wrong := windows.UTF16PtrFromString(hint(err))
	if wrong != nil {
		return err
	}
	title, wrong := windows.UTF16PtrFromString("Sallyport")
	if wrong != nil {
		return err
	}
	windows.MessageBox(0, text, title, windows.MB_ICONERROR|windows.MB_SETFOREGROUND)
	return err
}
