//go:build cgo && !race && !e2e && (linux || windows)

package app

import "sallyport.dev/sallyport/ui"

// inspect is for end-to-end tests only.
func inspect(*ui.UI) {}
