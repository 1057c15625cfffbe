package app

import "sallyport.dev/sallyport/ui"

// desktopOptions is what the windows need to know.
type desktopOptions struct {
	Socket  string     // the engine's
	Hidden  bool       // start in the tray, without a window
	Control ui.Control // the engine, if it is this process; nil: it is at the socket
}
