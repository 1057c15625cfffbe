//go:build !divert_cgo

package windivert

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// loadLibrary loads WinDivert.dll from our executable's folder, and nothing it
// needs from elsewhere than there and the system's folder: divert-go, which
// names no folder, then gets this one.
func loadLibrary() error {
	path, err := beside(libraryFile)
	if err != nil {
		return err
	}
	const search = windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | windows.LOAD_LIBRARY_SEARCH_SYSTEM32
	if _, err := windows.LoadLibraryEx(path, 0, search); err != nil {
		return fmt.Errorf("load %s: %w: install the program again, with the files of WinDivert beside it", path, err)
	}
	return nil
}
