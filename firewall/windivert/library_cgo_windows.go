//go:build divert_cgo

package windivert

// loadLibrary has nothing to do: WinDivert's source is compiled in.
func loadLibrary() error { return nil }
