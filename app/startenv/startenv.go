// Package startenv makes the environment fit before anything reads it: what a
// program with a group of its own must not take from its caller is removed,
// what Fyne reads while it initialises is set. It imports package syscall
// alone: Go initialises a package that needs nothing else before those that
// need package time, so before Fyne.
package startenv

import "syscall"

// cacheTime is how long Fyne keeps the texture of a text that is no longer
// drawn. Its own minute makes a live log hold hundreds of megabytes.
const cacheTime = "5s"

func init() {
	if syscall.Getegid() != syscall.Getgid() || syscall.Geteuid() != syscall.Getuid() {
		keepOnly(harmless)
		// The driver would run code from this folder, which the person's other
		// programs can write to.
		syscall.Setenv("MESA_SHADER_CACHE_DISABLE", "true")
	}
	if _, set := syscall.Getenv("FYNE_CACHE"); !set {
		syscall.Setenv("FYNE_CACHE", cacheTime)
	}
	// Fyne complains about locales that name no language.
	for _, name := range []string{"LC_ALL", "LANG"} {
		v, set := syscall.Getenv(name)
		switch v {
		case "C", "POSIX", "C.UTF-8", "C.utf8":
			syscall.Setenv(name, "en_US.UTF-8")
		case "":
			if name == "LANG" || set {
				syscall.Setenv(name, "en_US.UTF-8")
			}
		}
	}
}

// harmless names the variables that a setgid program keeps. Drivers and
// libraries load code from folders that others name (LIBGL_DRIVERS_PATH is
// one), so what is not known to be harmless goes. A name that ends in an
// underscore stands for all that begin with it.
var harmless = []string{
	"HOME", "USER", "LOGNAME", "SHELL", "PATH", "TZ", "LANG", "LANGUAGE", "LC_",
	"TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES",
	"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XMODIFIERS", "XCURSOR_SIZE", "XCURSOR_THEME", "DESKTOP_STARTUP_ID",
	"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS",
	"XDG_RUNTIME_DIR", "XDG_SESSION_", "XDG_SEAT", "XDG_VTNR", "XDG_CURRENT_DESKTOP", "XDG_ACTIVATION_TOKEN",
	"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS",
	"LIBGL_ALWAYS_SOFTWARE", "FYNE_", "SALLYPORT_",
	"SUDO_UID", "SUDO_GID", "SUDO_USER", "PKEXEC_UID",
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID",
}

// keepOnly removes every variable that is not in the list.
func keepOnly(list []string) {
	for _, variable := range syscall.Environ() {
		name := variable
		for i := range variable {
			if variable[i] == '=' {
				name = variable[:i]
				break
			}
		}
		if !listed(name, list) {
			syscall.Unsetenv(name)
		}
	}
}

func listed(name string, list []string) bool {
	for _, l := range list {
		group := l[len(l)-1] == '_'
		if name == l || group && len(name) > len(l) && name[:len(l)] == l {
			return true
		}
	}
	return false
}
