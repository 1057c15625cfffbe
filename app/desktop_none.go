//go:build !cgo

package app

import (
	"context"
	"errors"
)

// runDesktop refuses: the windows need cgo.
func runDesktop(context.Context, desktopOptions) error {
	return errors.New("this program was built without windows: use the commands, see: sallyport --help")
}
