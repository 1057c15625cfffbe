// Package fyneenv sets what Fyne reads from the environment while it
// initialises. It imports package syscall alone: Go initialises a package that
// needs nothing else before those that need package time, so before Fyne.
package fyneenv

import "syscall"

// cacheTime is how long Fyne keeps the texture of a text that is no longer
// drawn. Its own minute makes a live log hold hundreds of megabytes.
const cacheTime = "5s"

func init() {
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
