package netfilter_test

import (
	"os"
	"path/filepath"
)

// putting puts a version of a program at its path.
type putting func(w *world, path, version string)

// replace are ways to put another version in the place of a program.
var replace = replacing((*world).version)

// replacing are ways to put another version, which version makes, in the place of
// a file.
func replacing(version func(w *world, name, version string) string) map[string]putting {
	return map[string]putting{
		"renamed over it": func(w *world, path, number string) {
			w.rename(version(w, "new", number), path)
		},
		"rewritten": func(w *world, path, number string) {
			version(w, filepath.Base(path), number)
		},
		"deleted and made anew": func(w *world, path, number string) {
			if err := os.Remove(path); err != nil {
				w.t.Fatal(err)
			}
			version(w, filepath.Base(path), number)
		},
		"with size and time of before": func(w *world, path, number string) {
			old, err := os.Stat(path)
			if err != nil {
				w.t.Fatal(err)
			}
			version(w, filepath.Base(path), number)
			w.setTimes(path, old)
		},
	}
}

func (w *world) setTimes(path string, old os.FileInfo) {
	w.t.Helper()
	if err := os.Chtimes(path, old.ModTime(), old.ModTime()); err != nil {
		w.t.Fatal(err)
	}
	if now, err := os.Stat(path); err != nil || now.Size() != old.Size() || !now.ModTime().Equal(old.ModTime()) {
		w.t.Fatalf("%v, %v is not like %v", now, err, old)
	}
}

// touch are ways to change a file and leave its content as it is.
var touch = map[string]putting{
	"touched": func(w *world, path, _ string) {
		if err := os.Chmod(path, 0o711); err != nil {
			w.t.Fatal(err)
		}
	},
	"linked": func(w *world, path, _ string) {
		if err := os.Link(path, path+".link"); err != nil {
			w.t.Fatal(err)
		}
	},
}
