package netfilter_test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

// version puts a version of a program at its path: all run alike and are of one
// size.
func (w *world) version(name, version string) string {
	w.t.Helper()
	path := w.program(name)
	content, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(version) > 16 {
		w.t.Fatalf("version %q is too long", version)
	}
	return w.executable(name, append(content, version+strings.Repeat(".", 16-len(version))...))
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(from, to); err != nil {
		w.t.Fatal(err)
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// another waits for the question about another file at a path, once it was read.
func (g *guard) another(path string) (p firewall.Prompt) {
	g.w.t.Helper()
	g.await("a question about another file at "+path, func() bool {
		for _, p = range g.prompts {
			if p.Program.Path == path && strings.HasPrefix(p.Program.File, "sha256:") {
				return true
			}
		}
		return false
	})
	return p
}

// allow allows a program, which connects, and waits until its file was read.
func (g *guard) allow(path string) {
	g.w.t.Helper()
	g.decide(path, firewall.Allow)
	g.connects(path)
	want := digest(g.w.t, g.w.in(path))
	g.await(path+" to be read", func() bool { return g.kept[path].Proof.SHA256 == want })
}

func (g *guard) connects(path string) {
	g.w.t.Helper()
	if got := g.w.tries(path); got != "" {
		g.w.t.Errorf("allowed, %s says %q", path, got)
	}
}

func TestAnotherFileAtAnAllowedPathIsAskedAbout(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	number := 0
	for way, put := range replace {
		t.Run(way, func(t *testing.T) {
			number++
			world := world.at(t, g)
			path := world.version("good"+string(rune('0'+number)), "1")
			g.allow(path)
			put(world, path, "2")
			program := world.talk(path)
			must(t, program, "open tcp4")
			program.send(t, "connect 10.77.0.2:7000")
			p := g.another(path)
			since := "another file at this path since " + time.Now().Format("2 Jan 2006")
			want := firewall.Program{Kind: firewall.Changed, Path: path, File: "sha256:" + digest(t, path), Why: since}
			if p.Program != want {
				t.Errorf("asked about %+v, want %+v", p.Program, want)
			}
			g.tell(request{Do: "accept", Program: p.Program})
			if r := program.next(t); r.Error != "" {
				t.Errorf("accepted, it says %q", r.Error)
			}
			g.unasked(t)
			g.connects(path)
		})
	}
}

func TestTheSameContentStaysAllowed(t *testing.T) {
	ways := maps.Clone(touch)
	maps.Copy(ways, replace)
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.version("good", "1")
	g.allow(path)
	for way, put := range ways {
		t.Run(way, func(t *testing.T) {
			world := world.at(t, g)
			put(world, path, "1")
			g.connects(path)
			g.unasked(t)
		})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.entries {
		if e.Verdict != firewall.Allow {
			t.Errorf("logged %+v", e)
		}
	}
}

func TestAFileReplacedWhileNoEngineRunsIsAskedAbout(t *testing.T) {
	for _, way := range []string{"stopped", "killed"} {
		t.Run(way, func(t *testing.T) {
			world := newWorld(t)
			s := setup{Identities: filepath.Join(t.TempDir(), "identities")}
			g := world.guard(s)
			same, other := world.version("same", "1"), world.version("other", "1")
			g.allow(same)
			g.allow(other)
			s.Rules = g.setup.Rules
			if way == "stopped" {
				g.stop()
			} else {
				g.kill()
			}
			replace["renamed over it"](world, same, "1")
			replace["renamed over it"](world, other, "2")
			g = world.guard(s)
			g.connects(same)
			g.refuses(other)
		})
	}
}

func TestANewVersionOfAPackageIsCarriedOverAndCanBeUndone(t *testing.T) {
	world := newWorld(t)
	path := filepath.Join(world.dir, "good")
	g := world.guard(setup{Packages: map[string]firewall.Proof{path: {Package: "dpkg:good", Version: "1.0"}}})
	world.version("good", "1")
	g.allow(path)
	before := digest(t, path)
	replace["renamed over it"](world, path, "2")
	g.connects(path)
	g.unasked(t)
	g.await("it to be logged", func() bool { return len(g.carried) == 1 })
	if i := g.carried[0]; i.Program != path || i.Proof.SHA256 != digest(t, path) || i.Before.SHA256 != before {
		t.Errorf("carried over: %+v", i)
	}
	g.tell(request{Do: "undo", Path: path})
	program := world.talk(path)
	must(t, program, "open tcp4")
	program.send(t, "connect 10.77.0.2:7000")
	g.tell(request{Do: "accept", Program: g.another(path).Program})
	if r := program.next(t); r.Error != "" {
		t.Errorf("accepted, it says %q", r.Error)
	}
	g.connects(path)
}

// A question comes at once; what is known of the file follows.
func TestALargeFileDelaysNoQuestion(t *testing.T) {
	const size, patience = 300 << 20, 300 * time.Millisecond
	world := newWorld(t)
	g := world.guard(setup{})
	large := func(name, version string) string {
		path := world.version(name, version)
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := large("large", "1")
	g.allow(path)
	world.rename(large("new", "1"), path)
	g.connects(path) // the question closes by itself
	best := time.Hour
	for _, version := range []string{"2", "3", "4"} {
		world.rename(large("new", version), path)
		program := world.talk(path)
		must(t, program, "open tcp4")
		dialled := time.Now()
		program.send(t, "connect 10.77.0.2:7000")
		best = min(best, g.asked(path).Asked.Sub(dialled))
		g.once(g.another(path), firewall.Block)
		if program.next(t).Error == "" {
			t.Error("another file connected")
		}
		if best <= patience {
			break
		}
	}
	if best > patience {
		t.Errorf("the question came after %v", best)
	}
	t.Logf("the question came after %v", best)
}

// What is written into a page that is mapped already leaves no trace in the
// file's times: a file that somebody may write to so is not taken for the same.
func TestAFileThatIsMappedForWritingIsNotTakenForTheSame(t *testing.T) {
	world := newWorld(t)
	s := setup{Identities: filepath.Join(t.TempDir(), "identities")}
	g := world.guard(s)
	path := world.version("a", "1")
	g.allow(path)
	var others []string // that are read after it
	for _, name := range []string{"b", "c", "d"} {
		others = append(others, world.version(name, "1"))
		g.allow(world.version(name, "1"))
	}
	s.Rules = g.setup.Rules
	g.stop()

	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	size := int(info.Size())
	mapped, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	write := func(b byte) syscall.Stat_t {
		mapped[size-1] = b
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	before := write('.')
	for _, other := range others {
		if err := os.Chmod(other, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	g = world.guard(s)
	g.await("what rules name to be read", func() bool { return len(g.kept) >= len(others) })
	after := write('x')
	if err := unix.Munmap(mapped); err != nil {
		t.Fatal(err)
	}
	if before.Ctim != after.Ctim {
		t.Log("here the kernel noticed")
	}
	program := world.talk(path)
	must(t, program, "open tcp4")
	program.send(t, "connect 10.77.0.2:7000")
	p := g.asked(path)
	if p.Program.Kind != firewall.Changed {
		t.Errorf("asked about %+v", p.Program)
	}
}
