// Package assets holds what is built into the program beside code: fonts,
// icons and IANA's port registry. NOTICE.md names their sources and licences.
package assets

import (
	"embed"
	"fmt"
)

//go:generate go run generate_icons.go

// The text fonts, in OpenType format.
var (
	//go:embed fonts/Inter-Regular.otf
	InterRegular []byte
	//go:embed fonts/Inter-SemiBold.otf
	InterSemiBold []byte
)

// The tray's icons, PNG of 48 by 48 pixels, one for each state.
var (
	//go:embed tray/asking.png
	TrayAsking []byte
	//go:embed tray/off.png
	TrayOff []byte
	//go:embed tray/locked.png
	TrayLocked []byte
	//go:embed tray/waiting.png
	TrayWaiting []byte // a question waits
	//go:embed tray/gone.png
	TrayGone []byte // the engine does not answer
)

// AppIcon is the program's icon, PNG of 128 by 128 pixels.
//
//go:embed icons/app.png
var AppIcon []byte

//go:embed icons/*.svg
var icons embed.FS

// Icon returns a monochrome SVG icon by its name without ending: "shield",
// "activity", "inbox", "programs", "review", "settings", "lock", "unlock",
// "warning", "close", "add". A name that does not exist is a mistake in the program.
func Icon(name string) []byte {
	b, err := icons.ReadFile("icons/" + name + ".svg")
	if err != nil {
		panic(fmt.Sprintf("no icon %q", name))
	}
	return b
}
