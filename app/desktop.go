package app

// desktopOptions is what the windows need to know.
type desktopOptions struct {
	Socket string // the engine's
	Hidden bool   // start in the tray, without a window
}
