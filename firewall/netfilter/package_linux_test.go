package netfilter_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// needs ends the test if a tool is missing.
func (w *world) needs(tool string) {
	w.t.Helper()
	_, err := exec.LookPath(tool)
	switch {
	case err != nil && os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1":
		w.t.Fatal(err)
	case err != nil:
		w.t.Skip(err)
	}
}

// packages gives the world a folder /opt and a package database of its own.
func (w *world) packages() {
	w.t.Helper()
	w.needs("dpkg-deb")
	database := w.t.TempDir()
	for _, folder := range []string{"info", "updates", "triggers"} {
		if err := os.Mkdir(filepath.Join(database, folder), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, file := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(database, file), nil, 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	w.mustRun(w.outside("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/opt"))
	w.mustRun(w.outside("mount", "--bind", database, "/var/lib/dpkg"))
}

// install installs a package with one program, which is a version of its own.
func (w *world) install(name, version, path string) {
	w.t.Helper()
	w.installFile(name, version, path, w.version(name+"-"+version, version))
}

// installFile installs a package with one file.
func (w *world) installFile(name, version, path, file string) {
	w.t.Helper()
	root := filepath.Join(w.t.TempDir(), name)
	for _, folder := range []string{"DEBIAN", filepath.Dir(path)} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	w.rename(file, filepath.Join(root, path))
	sum, _, _ := strings.Cut(w.mustRun(exec.Command("md5sum", filepath.Join(root, path))), " ")
	for file, text := range map[string]string{
		"control": fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a test\n", name, version),
		"md5sums": sum + "  " + strings.TrimPrefix(path, "/") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(root, "DEBIAN", file), []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	w.mustRun(exec.Command("dpkg-deb", "--root-owner-group", "--build", root))
	w.mustRun(w.outside("dpkg", "--force-not-root", "--install", root+".deb"))
}

// in is where a path of the world is for the test.
func (w *world) in(path string) string {
	return filepath.Join("/proc", strconv.Itoa(w.holder.cmd.Process.Pid), "root", path)
}

func TestAnUpgradeByARealPackageIsCarriedOver(t *testing.T) {
	world := newWorld(t)
	world.packages()
	const path = "/opt/good/bin/good"
	g := world.guard(setup{Databases: true})
	world.install("good", "1.0", path)
	g.allow(path)
	if i := g.kept[path]; i.Proof.Package != "dpkg:good" || i.Proof.Version != "1.0" {
		t.Fatalf("it is %+v", i)
	}
	world.install("good", "1.1", path)
	g.connects(path)
	g.unasked(t)
	g.await("it to be logged", func() bool { return len(g.carried) == 1 })
	if i := g.carried[0]; i.Proof.Version != "1.1" || i.Before.Version != "1.0" {
		t.Errorf("carried over: %+v", i)
	}
	// What is not as the package has it is another program, whoever put it there.
	world.mustRun(world.outside("cp", world.version("evil", "evil"), path))
	g.refuses(path)
	// The package's own file comes back, but in a folder of somebody else.
	world.install("good", "1.2", path)
	world.mustRun(world.outside("chown", "1000", filepath.Dir(path)))
	g.refuses(path)
}

func TestAVersionedPathIsCarriedOverWithItsPackageOnly(t *testing.T) {
	world := newWorld(t)
	world.packages()
	const before, after, alone = "/opt/app-1.2.3/bin/app", "/opt/app-1.2.4/bin/app", "/opt/app-1.2.5/bin/app"
	g := world.guard(setup{Databases: true})
	world.install("app", "1.2.3", before)
	g.allow(before)
	world.install("app", "1.2.4", after)
	g.connects(after)
	g.await("it to be logged", func() bool { return len(g.carried) == 1 })
	if i := g.carried[0]; i.Program != after || i.From != before || i.Before.Version != "1.2.3" {
		t.Errorf("carried over: %+v", i)
	}
	g.unasked(t)
	world.mustRun(world.outside("mkdir", "-p", filepath.Dir(alone)))
	world.mustRun(world.outside("cp", world.version("other", "other"), alone))
	program := world.talk(alone)
	must(t, program, "open tcp4")
	program.send(t, "connect 10.77.0.2:7000")
	g.once(g.asked(alone), firewall.Block)
	if r := program.next(t); r.Error == "" {
		t.Error("a path like that of a version is enough")
	}
}

// refuses has a program ask, and says no once.
func (g *guard) refuses(path string) {
	g.w.t.Helper()
	program := g.w.talk(path)
	must(g.w.t, program, "open tcp4")
	program.send(g.w.t, "connect 10.77.0.2:7000")
	g.once(g.another(path), firewall.Block)
	if r := program.next(g.w.t); r.Error == "" {
		g.w.t.Errorf("%s connected", path)
	}
	g.w.end(program)
}
