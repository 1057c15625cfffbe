package windivert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	divert "github.com/imgk/divert-go"
)

// The files of WinDivert, which lie beside our executable. The library is not
// needed where its source is compiled in.
const (
	libraryFile = "WinDivert.dll"
	driverFile  = "WinDivert64.sys"
)

// winDivert is WinDivert's driver, through divert-go.
type winDivert struct{}

var _ driver = winDivert{}

func (winDivert) open(filter string, l layer, priority int16, flags uint64) (handle, error) {
	if err := loadDriver(); err != nil {
		return nil, err
	}
	if err := startDriver(); err != nil {
		return nil, err
	}
	opened, err := openDivert(filter, l, priority, flags)
	if err != nil {
		return nil, err
	}
	h, err := newHandle(opened)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// loadDriver makes WinDivert usable in this process, once: divert-go tries its
// library a single time too, and panics if it is asked again after a failure.
var loadDriver = sync.OnceValue(func() error {
	if err := machineHasDriver(); err != nil {
		return err
	}
	if err := loadLibrary(); err != nil {
		return err
	}
	if err := startDriver(); err != nil {
		return err
	}
	first, err := openDivert("false", layerNetwork, 0, flagSniff|flagReceiveOnly)
	if err != nil {
		return err
	}
	return first.Close()
})

// openDivert opens a handle through the library, whose panics become errors.
func openDivert(filter string, l layer, priority int16, flags uint64) (opened *divert.Handle, err error) {
	defer func() {
		if p := recover(); p != nil {
			opened, err = nil, fmt.Errorf("open WinDivert: %v: restart the program", p)
		}
	}()
	opened, err = divert.Open(filter, divert.Layer(l), priority, flags)
	if err != nil {
		return nil, explain("open WinDivert", err)
	}
	return opened, nil
}

// beside is the absolute path of a file in our executable's folder.
func beside(file string) (string, error) {
	executable, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find %s: %w", file, err)
	}
	path := filepath.Join(filepath.Dir(executable), file)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s is missing: install the program again, with the files of WinDivert beside it", path)
	} else if err != nil {
		return "", fmt.Errorf("find %s: %w", file, err)
	}
	return path, nil
}
