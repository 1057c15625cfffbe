package netfilter_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rpms gives the world a folder /opt and a package database of rpm.
func (w *world) rpms() {
	w.t.Helper()
	w.needs("rpmbuild")
	w.installed("rpm")
	w.mustRun(w.outside("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/opt"))
	w.rpm("--initdb")
}

func (w *world) rpm(arguments ...string) {
	w.t.Helper()
	w.mustRun(w.outside("rpm", append([]string{"--dbpath", "/var/lib/rpm"}, arguments...)...))
}

// upgrade builds a package with one program, which is a version of its own, and
// installs it in the place of the version before.
func (w *world) upgrade(name, version, path string) {
	w.t.Helper()
	top := w.t.TempDir()
	spec := strings.NewReplacer("NAME", name, "VERSION", version, "PATH", path, "PROGRAM", w.version(name+"-"+version, version)).Replace(`
Name: NAME
Version: VERSION
Release: 1
Summary: a test
License: none
BuildArch: noarch
%description
A test.
%install
install -D -m 755 PROGRAM %{buildroot}PATH
%files
%attr(755, root, root) PATH
`)
	if err := os.WriteFile(filepath.Join(top, "spec"), []byte(spec), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.mustRun(exec.Command("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+top, "--define", "_build_id_links none", "--define", "__os_install_post %{nil}",
		"--define", "__brp_strip %{nil}", "--define", "debug_package %{nil}", "--define", "_binaries_in_noarch_packages_terminate_build 0", filepath.Join(top, "spec")))
	built, err := filepath.Glob(filepath.Join(top, "RPMS/*/*.rpm"))
	if err != nil || len(built) != 1 {
		w.t.Fatalf("built %v, %v", built, err)
	}
	w.rpm("--upgrade", "--nodeps", "--ignorearch", built[0])
}

func TestAnUpgradeByARealRPMIsCarriedOver(t *testing.T) {
	world := newWorld(t)
	world.rpms()
	const path, alone = "/opt/good-1.0/good", "/opt/good-1.2/good"
	g := world.guard(setup{Databases: true})
	world.upgrade("good", "1.0", path)
	g.allow(path)
	if i := g.kept[path]; i.Proof.Package != "rpm:good" || i.Proof.Version != "1.0-1" {
		t.Fatalf("it is %+v", i)
	}
	world.upgrade("good", "1.1", path)
	g.connects(path)
	g.unasked(t)
	g.await("it to be logged", func() bool { return len(g.carried) == 1 })
	if i := g.carried[0]; i.Proof.Version != "1.1-1" || i.Before.Version != "1.0-1" {
		t.Errorf("carried over: %+v", i)
	}
	// What is not as the package has it is another program, whoever put it there.
	world.mustRun(world.outside("cp", world.version("evil", "evil"), path))
	g.refuses(path)

	// The next version has its own folder.
	world.upgrade("good", "1.2", alone)
	g.connects(alone)
	g.await("it to be logged", func() bool { return len(g.carried) == 2 })
	if i := g.carried[1]; i.Program != alone || i.From != path || i.Proof.Version != "1.2-1" {
		t.Errorf("carried over: %+v", i)
	}
	world.mustRun(world.outside("cp", world.version("evil", "evil"), alone))
	g.refuses(alone)
	g.tell(request{Do: "undo", Path: path})
	world.upgrade("good", "1.3", path)
	g.refuses(path)
}
