//go:build !windows

package app

import (
	"fmt"
	"io"
)

// complain says why the program ends.
func complain(w io.Writer, why string) { fmt.Fprintf(w, "sallyport: %s\n", why) }
