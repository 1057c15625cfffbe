//go:build !windows && (!cgo || race || !linux)

package app

import (
	"context"
	"errors"
)

// runDesktop refuses: the windows need cgo. The race detector's build leaves
// them out too: compiling the GL driver twice costs minutes.
func runDesktop(context.Context, desktopOptions) error {
	return errors.New("this program was built without windows: use the commands, see: sallyport --help")
}
