package netfilter_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// serves mounts an image by a program that serves its files.
func (w *world) serves(image, folder string) (server *child[string]) {
	w.t.Helper()
	w.shell(`mkdir "$1"`, folder)
	server = startChild[string](w.t, w.outside("squashfuse", "-f", "-o", "entry_timeout=0,attr_timeout=0", image, folder), nil)
	w.t.Cleanup(func() { w.outside("umount", "-l", folder).Run() })
	await(w.t, "the image to be mounted", func() bool { return w.outside("mountpoint", "-q", folder).Run() == nil })
	return server
}

// Programs run from a file system that stops to answer, as one of a network
// does: while the files of two are read, which rules name, and before those of
// two others are looked at.
func TestAFileSystemThatHangsHoldsNoProgramUp(t *testing.T) {
	const large = 512 << 20 // is read for longer than a question waits
	world := newWorld(t)
	world.installed("mksquashfs", "squashfuse")
	program := world.program("built")
	files, folder := filepath.Join(world.dir, "files"), filepath.Join(world.dir, "mount")
	s := setup{Identities: filepath.Join(t.TempDir(), "identities")}
	var all []firewall.Identity
	know := func(path, like string) {
		s.Rules = append(s.Rules, firewall.Rule{ID: firewall.RuleID(path), Program: path, Verdict: firewall.Allow})
		all = append(all, firewall.Identity{Program: path, Proof: firewall.Proof{SHA256: digest(t, like)}, Since: time.Now()})
	}
	var hanging []*talker
	for n := range 4 {
		path := world.like(fmt.Sprintf("%s/web%d", files, n), program)
		if n < 2 {
			world.shell(`truncate -s "$1" "$2"`, strconv.Itoa(large), path)
		}
	}
	image := filepath.Join(world.dir, "image")
	world.shell(`mksquashfs "$1" "$2" -quiet -no-progress -all-root >/dev/null`, files, image)
	server := world.serves(image, folder)
	know(folder+"/web0", program) // another file is there now
	know(folder+"/web1", program)
	good := world.program("good")
	know(good, program)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Identities, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		program := world.talk(fmt.Sprintf("%s/web%d", folder, n))
		must(t, program, "open tcp4")
		must(t, program, "stay")
		hanging = append(hanging, program)
	}
	g := world.guard(s)
	send := func(programs ...*talker) {
		for _, program := range programs {
			program.send(t, "connect 10.77.0.2:7000")
		}
	}
	send(hanging[:2]...)
	g.await("questions about what is read", func() bool { return len(g.prompts) == 2 })
	t.Cleanup(func() { server.cmd.Process.Kill() }) // before what waits for it is
	if err := server.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	send(hanging[2:]...)
	g.await("questions about what hangs", func() bool { return len(g.prompts) == len(hanging) })
	g.connects(good)
	path := world.program("other")
	other := world.talk(path)
	must(t, other, "open tcp4")
	other.send(t, "connect 10.77.0.2:7000")
	g.once(g.asked(path), firewall.Allow)
	if r := other.next(t); r.Error != "" {
		t.Errorf("allowed, another program says %q", r.Error)
	}
	whys := map[string]int{}
	for _, p := range g.tell(request{Do: "stats"}).Prompts {
		whys[p.Program.Why]++
		g.once(p, firewall.Block)
	}
	if whys["changed, being checked"] != 2 || whys["its file system does not answer"] != 2 {
		t.Errorf("asked about %v", whys)
	}
	for _, program := range hanging {
		if r := program.next(t); r.Error == "" {
			t.Error("what hangs connected")
		}
	}
	if err := server.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, late := range []string{folder + "/web2", folder + "/web3"} {
		program := world.talk(late)
		must(t, program, "open tcp4")
		program.send(t, "connect 10.77.0.2:7000")
		g.once(g.asked(late), firewall.Allow)
		if r := program.next(t); r.Error != "" {
			t.Errorf("its file system answers again, but %s", r.Error)
		}
	}
	g.refuses(folder + "/web0")
}
