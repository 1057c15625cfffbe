package process

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// desktop writes the records of 3,000 packages of 140 files, as many as a
// large desktop has.
func desktop(b *testing.B) string {
	root := b.TempDir()
	info := filepath.Join(root, "var/lib/dpkg/info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		b.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	var status strings.Builder
	for i := range 3000 {
		name := fmt.Sprintf("libpackage%d", i)
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.%d-1\nDescription: a package\n%s\n", name, i, strings.Repeat(" about it\n", 60))
		var list, sums strings.Builder
		list.WriteString("/.\n/usr\n/usr/share\n/usr/share/" + name + "\n")
		for j := range 140 {
			path := fmt.Sprintf("usr/share/%s/some-folder-of-it-%d/some file with a name %d", name, j%7, j)
			fmt.Fprintf(&list, "/%s\n", path)
			fmt.Fprintf(&sums, "%032x  %s\n", j, path)
		}
		write(filepath.Join(info, name+".list"), list.String())
		write(filepath.Join(info, name+".md5sums"), sums.String())
	}
	write(filepath.Join(root, "var/lib/dpkg/status"), status.String())
	return root
}

const ofDesktop = "/usr/share/libpackage2999/some-folder-of-it-6/some file with a name 139"

func BenchmarkTheFirstLookUp(b *testing.B) {
	root := desktop(b)
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := newDpkg(root)
		if r, ok := d.find(ofDesktop); !ok || r.Version != "1.2999-1" {
			b.Fatalf("%+v, %v", r, ok)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(d)
		b.StartTimer()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-kept")
}

func BenchmarkALaterLookUp(b *testing.B) {
	d := newDpkg(desktop(b))
	for d.stamp == (dpkgStamp{}) { // what was just written is read again and again
		d.find(ofDesktop)
	}
	for _, path := range []string{ofDesktop, "/home/a/program"} {
		b.Run(filepath.Base(path), func(b *testing.B) {
			for b.Loop() {
				d.find(path)
			}
		})
	}
}

func BenchmarkTheFirstLookUpOnThisComputer(b *testing.B) {
	for b.Loop() {
		if _, ok := newDpkg("/").find("/usr/bin/dpkg"); !ok {
			b.Skip("no dpkg")
		}
	}
}
