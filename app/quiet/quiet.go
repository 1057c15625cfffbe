// Package quiet keeps other packages from printing while they initialise:
// Fyne complains about the locale C, which every system service runs with,
// before any of our code could see to it. Packages are initialised in the
// order of their paths once what they import is ready; this one imports little
// and so comes before Fyne's.
package quiet

import (
	"io"
	"log"
	"os"
)

func init() { log.SetOutput(io.Discard) }

// End lets everyone print again.
func End() { log.SetOutput(os.Stderr) }
