package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/windows"
)

// There are two programs of the same source. The system decides by a field of
// the file whether a program gets a console: a terminal waits only for one that
// has it, and a window that nobody wants opens with it at each login.
const (
	consoleFile = "sallyport.exe"  // the commands and the engine
	windowsFile = "sallyportw.exe" // the windows
)

const hiddenFlag = "--hidden"

// desktopProgram is the file of the program that has the windows.
func desktopProgram() (string, error) { return beside(windowsFile) }

// beside is a file in this program's folder.
func beside(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program's folder: %w", err)
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find a part of the program: %w: install it again", err)
	}
	return path, nil
}

// hasDisplay is always so.
func hasDisplay() error { return nil }

// loginSession is the session that this process is in.
func loginSession() string {
	var id uint32
	if err := windows.ProcessIdToSessionId(windows.GetCurrentProcessId(), &id); err != nil {
		return ""
	}
	return strconv.Itoa(int(id))
}
