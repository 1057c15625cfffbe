package netfilter_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

// enter makes the root folder of a container with the file at $0 in it, and
// becomes $0 there.
const enter = `set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir -p "$1/old" "$1$(dirname "$0")"
cp "$2" "$1$0"
cd "$1"
pivot_root . old
exec "$0"`

// group makes a cgroup below the filtered one.
func (w *world) group(name string) string {
	w.t.Helper()
	folder := filepath.Join(w.cgroup, name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		os.WriteFile(filepath.Join(folder, "cgroup.kill"), []byte("1"), 0)
		await(w.t, "the container's cgroup to be empty", func() bool { return unix.Rmdir(folder) == nil })
	})
	return folder
}

// contained starts, in a cgroup, a program with mount and pid namespaces of its
// own, in whose root folder the content is at the path.
func (w *world) contained(group, path, content string, namespaces ...string) *talker {
	w.t.Helper()
	file, err := os.Open(group)
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	args := append([]string{"-m", "-p", "-f"}, namespaces...)
	c := w.inside("unshare", append(args, "/bin/sh", "-c", enter, path, w.t.TempDir(), content)...)
	c.SysProcAttr.CgroupFD = int(file.Fd())
	program := startChild[result](w.t, c, nil)
	w.t.Cleanup(func() { os.WriteFile(filepath.Join(group, "cgroup.kill"), []byte("1"), 0) }) // killing the command would leave the program
	return program
}

// contents prepares what is put into containers: the program itself, and another.
func (w *world) contents() (good, same, other string) {
	good = w.program("good")
	return good, w.program("same"), w.version("other", "2")
}

const dockerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// The program of a container is not the one at the same path of this computer;
// it keeps its decision as long as it is the same content.
func TestAProgramInAContainerIsItsOwnSubject(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{Identities: filepath.Join(t.TempDir(), "identities")})
	good, same, other := world.contents()
	group := world.group("docker-" + dockerID + ".scope")
	subject := "container:docker-0123456789ab" + good
	g.decide(good, firewall.Allow)
	g.connects(good)

	connect := func(program *talker) {
		t.Helper()
		must(t, program, "open tcp4")
		program.send(t, "connect 10.77.0.2:7000")
	}
	first := world.contained(group, good, same)
	connect(first)
	p := g.asked(subject)
	if p.Program.Kind != firewall.Executable || p.Program.ID() != subject || p.Program.Name() != "good (docker-0123456789ab)" {
		t.Errorf("asked about %+v", p.Program)
	}
	g.remember(p, firewall.Allow)
	if r := first.next(t); r.Error != "" {
		t.Errorf("allowed, it says %s", r.Error)
	}
	must(t, first, "close")
	connect(first) // what is met first is what the rule is for
	if r := first.next(t); r.Error != "" {
		t.Errorf("allowed, it says %s", r.Error)
	}
	g.await("its file to be read", func() bool { return g.kept[subject].Proof.SHA256 != "" })

	// The container is started anew: another file of the same content.
	again := world.contained(group, good, same)
	connect(again)
	if r := again.next(t); r.Error != "" {
		t.Errorf("allowed, the same content says %s", r.Error)
	}
	g.unasked(t)

	changed := world.contained(group, good, other)
	connect(changed)
	p = g.another(subject)
	if p.Program.Kind != firewall.Changed {
		t.Errorf("asked about %+v", p.Program)
	}
	g.once(p, firewall.Block)
	if r := changed.next(t); r.Error == "" {
		t.Error("other content in an allowed container connected")
	}
}

func TestAnUnknownContainerIsNoProgramOfThisComputer(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, same, _ := world.contents()
	g.decide(good, firewall.Allow)
	g.connects(good)
	users := world.group("libpod-" + dockerID + ".scope")
	if err := os.Chown(users, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ group, why string }{
		{users, "in the container podman-0123456789ab, which others than root may make"},
		{world.group("unknown"), "in another mount namespace"},
		{world.group("docker-none.scope"), "in another mount namespace"},
		{world.group("crio-" + strings.Repeat("f", 63)), "in another mount namespace"},
	} {
		program := world.contained(test.group, good, same)
		must(t, program, "open tcp4")
		program.send(t, "connect 10.77.0.2:7000")
		p := g.asked(good)
		if p.Program.Kind != firewall.Foreign || p.Program.Why != test.why || p.Program.ID() == good {
			t.Errorf("%s: asked about %+v", filepath.Base(test.group), p.Program)
		}
		g.once(p, firewall.Block)
		if r := program.next(t); r.Error == "" {
			t.Errorf("%s: blocked, but it connected", filepath.Base(test.group))
		}
		g.await("the question to be closed", func() bool { return len(g.prompts) == 0 })
	}
}

// What a container with a network namespace of its own sends does not pass our
// hooks; it is counted, and nobody of this computer is named for it.
func TestAContainersOwnNetworkIsCountedAndNobodyIsBlamed(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, same, _ := world.contents()
	program := world.contained(world.group("docker-"+dockerID+".scope"), good, same, "-n")
	must(t, program, "open udp4")
	if r := do(t, program, "connect 10.77.0.2:7000"); r.Error != "ENETUNREACH" {
		t.Errorf("without a network it says %q", r.Error)
	}
	e := g.tell(request{Do: "stats"})
	if e.Stats.OtherNamespaces == 0 || len(e.Prompts) != 0 {
		t.Errorf("%d sockets are counted, asked about %+v", e.Stats.OtherNamespaces, e.Prompts)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.counted(good); n != 0 {
		t.Errorf("the log has %d lines of the program of this computer", n)
	}
}
