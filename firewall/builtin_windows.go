package firewall

import (
	"os"
	"path/filepath"
)

// timekeepers is the service "Windows Time", in the folder as the file system
// writes it: the environment may have it in capitals.
func timekeepers() []timekeeper {
	drive := filepath.VolumeName(os.Getenv("SystemRoot"))
	if drive == "" {
		drive = "C:"
	}
	return []timekeeper{{"w32time", serviceName("W32Time", drive+`\Windows\System32\svchost.exe`).String()}}
}
