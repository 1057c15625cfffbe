package ui

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"fyne.io/fyne/v2"
	"golang.org/x/sys/windows"
)

const (
	iconSize = 48   // pixels; the largest tile has 44
	maxIcons = 4096 // remembered
)

// iconFinder finds the icon in a program's own file, and remembers it until the
// file changes. It belongs to Fyne's goroutine.
type iconFinder struct{ found map[string]foundIcon }

type foundIcon struct {
	changed time.Time
	icon    fyne.Resource // nil if the file has none
}

func newIconFinder() *iconFinder { return &iconFinder{found: map[string]foundIcon{}} }

// find returns the icon of the program at a path, or nil. A program that is
// not the file at its path has none, nor has one on another computer, which may
// take its time to answer.
func (f *iconFinder) find(program string) fyne.Resource {
	if !isLocal(program) {
		return nil
	}
	info, err := os.Stat(program)
	if err != nil {
		return nil
	}
	known, ok := f.found[program]
	if !ok || !known.changed.Equal(info.ModTime()) {
		if len(f.found) >= maxIcons {
			clear(f.found)
		}
		known = foundIcon{info.ModTime(), extractIcon(program)}
		f.found[program] = known
	}
	return known.icon
}

// isLocal tells whether a path is one of a disk in this computer.
func isLocal(program string) bool {
	drive := filepath.VolumeName(program)
	if !filepath.IsAbs(program) || len(drive) != 2 {
		return false
	}
	root, err := windows.UTF16PtrFromString(drive + `\`)
	return err == nil && windows.GetDriveType(root) == windows.DRIVE_FIXED
}

// extractIcon reads the first icon of an executable.
func extractIcon(program string) fyne.Resource {
	path, err := windows.UTF16PtrFromString(program)
	if err != nil {
		return nil
	}
	var icon uintptr
	const first = 0
	result, _, _ := procDefExtractIcon.Call(uintptr(unsafe.Pointer(path)), first, 0, uintptr(unsafe.Pointer(&icon)), 0, iconSize)
	if result != 0 || icon == 0 {
		return nil
	}
	defer procDestroyIcon.Call(icon)
	m, err := iconImage(icon)
	if err != nil {
		return nil
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil
	}
	return fyne.NewStaticResource(filepath.Base(program)+".png", b.Bytes())
}
