//go:build !linux && !windows

package process

// surround reads where the process runs and what surrounds it: elsewhere.
func (f *Facts) surround() {}

func unitOfProcess(int) string { return "" }

// fileOf is the path of what the process calls so, "" if that is no file.
func fileOf(int, string) string { return "" }

// seesOurFiles tells whether a path is the same file to the process and here.
func seesOurFiles(int) bool { return true }
