//go:build !linux

package process

// surround reads where the process runs and what surrounds it: on Linux only.
func (f *Facts) surround() {}

func unitOfProcess(int) string { return "" }

// isFileOf tells whether the process has a file of this name.
func isFileOf(int, string) bool { return false }
