package app

import (
	"path/filepath"

	"sallyport.dev/sallyport/firewall/process"
)

// ownInterpreter is the path, without links, of an interpreter that others than
// root can replace; "" if only root can, or there is none.
func ownInterpreter(program string) string {
	real, err := filepath.EvalSymlinks(program)
	if err != nil || process.RootsAlone(real) == nil {
		return ""
	}
	return real
}
