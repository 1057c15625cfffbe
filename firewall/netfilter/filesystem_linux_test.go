package netfilter_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// mounted gives the world file systems for programs, each mounted somewhere.
func (w *world) mounted(kind, at string) {
	w.t.Helper()
	inside := func(script string) {
		w.t.Helper()
		w.mustRun(w.outside("sh", "-ec", script, "sh", at))
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		w.t.Fatal(err)
	}
	switch kind {
	case "tmpfs":
		inside(`mount -t tmpfs tmpfs "$1"`)
	case "overlay":
		inside(`mount -t tmpfs tmpfs "$1"; cd "$1"; mkdir lower upper work; mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay "$1"`)
	case "btrfs":
		w.needs("mkfs.btrfs")
		inside(`truncate -s 200M "$1.image"; mkfs.btrfs -q "$1.image"; mount -o loop "$1.image" "$1"; rm "$1.image"
			btrfs -q subvolume create "$1/one"; btrfs -q subvolume create "$1/two"`)
	}
}

// What the kernel calls a file is not what stat says on each of these.
func TestFilesAreToldApartOnEveryFileSystem(t *testing.T) {
	for _, kind := range []string{"tmpfs", "overlay", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			world := newWorld(t)
			at := filepath.Join(t.TempDir(), "mounted")
			world.mounted(kind, at)
			g := world.guard(setup{})
			put := func(version, path string) {
				t.Helper()
				world.mustRun(world.outside("cp", "--remove-destination", world.version("copied", version), path))
			}
			path := filepath.Join(at, "good")
			if kind == "btrfs" { // two files of one inode number
				path = filepath.Join(at, "one", "good")
				put("2", filepath.Join(at, "two", "good"))
			}
			put("1", path)
			if kind == "btrfs" && inode(t, world.in(path)) != inode(t, world.in(filepath.Join(at, "two", "good"))) {
				t.Error("the inode numbers differ: this shows less than it should")
			}
			g.allow(path)
			put("1", path)
			g.connects(path)
			g.unasked(t)
			if kind == "btrfs" {
				other := filepath.Join(at, "two", "good")
				program := world.talk(other)
				must(t, program, "open tcp4")
				program.send(t, "connect 10.77.0.2:7000")
				if p := g.asked(other); p.Program.Kind != firewall.Executable {
					t.Errorf("asked about %+v", p.Program)
				} else {
					g.once(p, firewall.Block)
				}
				if program.next(t).Error == "" {
					t.Error("the file of the other subvolume connected")
				}
				world.mustRun(world.outside("mount", "--bind", filepath.Join(at, "two"), filepath.Join(at, "one")))
				g.refuses(path) // at the same path now
				return
			}
			put("2", path)
			g.refuses(path)
		})
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}
