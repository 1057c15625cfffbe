package app

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows/registry"

	"sallyport.dev/sallyport/ui"
)

// Where the system keeps what starts when the person logs in, and what of it
// the person has switched off in the task manager: there the lowest bit of the
// first byte says so.
const (
	runKey      = `Software\Microsoft\Windows\CurrentVersion\Run`
	approvedKey = `Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run`
	runValue    = "Sallyport"
)

// runEntry is this program's entry among those.
type runEntry struct{}

func autostart() ui.Autostart { return runEntry{} }

// Enabled implements [ui.Autostart].
func (runEntry) Enabled() (bool, error) {
	switch _, err := readValue(runKey, registry.Key.GetStringValue); {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	switch approved, err := readValue(approvedKey, registry.Key.GetBinaryValue); {
	case errors.Is(err, os.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	default:
		return len(approved) == 0 || approved[0]&1 == 0, nil
	}
}

func readValue[T any](path string, read func(registry.Key, string) (T, uint32, error)) (value T, err error) {
	k, err := registry.OpenKey(registry.CURRENT_USER, path, registry.QUERY_VALUE)
	if err != nil {
		return value, fmt.Errorf("read what starts at login: %w", err)
	}
	defer k.Close()
	if value, _, err = read(k, runValue); err != nil {
		return value, fmt.Errorf("read what starts at login: %w", err)
	}
	return value, nil
}

// Enable implements [ui.Autostart].
func (runEntry) Enable() error {
	program, err := desktopProgram()
	if err != nil {
		return err
	}
	k, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	defer k.Close()
	if err := k.SetStringValue(runValue, `"`+program+`" `+hiddenFlag); err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	return removeValue(approvedKey)
}

// Disable implements [ui.Autostart].
func (runEntry) Disable() error { return errors.Join(removeValue(runKey), removeValue(approvedKey)) }

func removeValue(path string) error {
	k, err := registry.OpenKey(registry.CURRENT_USER, path, registry.SET_VALUE)
	if err == nil {
		err = k.DeleteValue(runValue)
		k.Close()
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("change what starts at login: %w", err)
	}
	return nil
}
