package app

import (
	"fmt"
	"io"

	"golang.org/x/sys/windows"
)

// complain says why the program ends: in a window where there is no console.
func complain(w io.Writer, why string) {
	if h, err := windows.GetStdHandle(windows.STD_ERROR_HANDLE); err == nil && h != 0 {
		fmt.Fprintf(w, "sallyport: %s\n", why)
		return
	}
	text, err := windows.UTF16PtrFromString(clean(why))
	if err != nil {
		return
	}
	title, err := windows.UTF16PtrFromString("Sallyport")
	if err != nil {
		return
	}
	windows.MessageBox(0, text, title, windows.MB_ICONERROR|windows.MB_SETFOREGROUND)
}
