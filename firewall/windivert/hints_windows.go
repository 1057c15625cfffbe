package windivert

import (
	"errors"
	"fmt"

	divert "github.com/imgk/divert-go"
	"golang.org/x/sys/windows"
)

// hints say what a person can do about an error of WinDivert or of the service
// manager.
var hints = map[divert.Error]string{
	divert.ErrAccessDenied:                                "run it as administrator",
	divert.ErrFileNotFound:                                "WinDivert64.sys is missing: install the program again, with the files of WinDivert beside it",
	divert.ErrInvalidImageHash:                            "Windows does not accept the driver's signature: install the program again, with the signed WinDivert64.sys",
	divert.ErrDriverBlocked:                               "security software or the virtual machine blocks the driver: allow WinDivert64.sys there",
	divert.ErrDriverFailedPriorUnload:                     "another program has loaded an older WinDivert: end that program, or restart Windows",
	divert.ErrNotRegistered:                               "the service Base Filtering Engine does not run: start it",
	divert.Error(windows.ERROR_SERVICE_DISABLED):          "the service WinDivert is disabled: enable it, or remove it with: sc delete WinDivert",
	divert.Error(windows.ERROR_SERVICE_MARKED_FOR_DELETE): "the service WinDivert is being removed: end other programs that use WinDivert, or restart Windows",
}

// code finds the number in an error of divert-go or of x/sys; the first unwraps
// to nothing.
func code(err error) (divert.Error, bool) {
	if number, ok := errors.AsType[windows.Errno](err); ok {
		return divert.Error(number), true
	}
	return errors.AsType[divert.Error](err)
}

// explain adds what the person can do to an error of WinDivert or of the
// service manager.
func explain(what string, err error) error {
	if number, ok := code(err); ok && hints[number] != "" {
		return fmt.Errorf("%s: %w: %s", what, err, hints[number])
	}
	return fmt.Errorf("%s: %w", what, err)
}
