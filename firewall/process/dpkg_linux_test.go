package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debian is a system of its own below a folder, with a package database.
type debian struct {
	*testing.T
	root string
}

func newDebian(t testing.TB) debian {
	t.Helper()
	if os.Getuid() != 0 {
		unable(t, "only root can install packages")
	}
	for _, tool := range []string{"dpkg", "dpkg-deb", "dpkg-divert"} {
		if _, err := exec.LookPath(tool); err != nil {
			unable(t, "no "+tool)
		}
	}
	test, _ := t.(*testing.T)
	d := debian{test, t.TempDir()}
	for _, folder := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "usr/bin", "usr/lib"} {
		if err := os.MkdirAll(filepath.Join(d.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"bin", "lib"} {
		if err := os.Symlink("usr/"+link, filepath.Join(d.root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(d.root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// unable skips a test, unless all have to run.
func unable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (d debian) ownership() ownership {
	return ownership{d.root, []packages{newDpkg(d.root)}}
}

func (d debian) run(name string, arguments ...string) {
	d.Helper()
	if out, err := exec.Command(name, arguments...).CombinedOutput(); err != nil {
		d.Fatalf("%s %v: %v\n%s", name, arguments, err, out)
	}
}

func (d debian) dpkg(arguments ...string) {
	d.Helper()
	d.run("dpkg", append([]string{"--root=" + d.root, "--log=/dev/null", "--force-script-chrootless"}, arguments...)...)
}

// install builds a package and installs it; fields are more lines of its
// control file, files the contents by path.
func (d debian) install(name, version, fields string, files map[string]string) {
	d.Helper()
	source := d.TempDir()
	if err := os.Chmod(source, 0o755); err != nil {
		d.Fatal(err)
	}
	d.write(source, "/DEBIAN/control", "Package: "+name+"\nVersion: "+version+"\nArchitecture: amd64\nMaintainer: A <a@example.org>\nDescription: a package\n"+fields)
	var sums strings.Builder
	for path, content := range files {
		d.write(source, path, content)
		out, err := exec.Command("sh", "-c", "cd "+source+" && md5sum ."+path).Output()
		if err != nil {
			d.Fatal(err)
		}
		sums.WriteString(strings.Replace(string(out), "./", "", 1))
	}
	d.write(source, "/DEBIAN/md5sums", sums.String())
	deb := filepath.Join(d.TempDir(), "a.deb")
	d.run("dpkg-deb", "--root-owner-group", "-Znone", "--build", source, deb)
	d.dpkg("--force-architecture", "--install", deb)
}

func (d debian) write(root, path, content string) {
	d.Helper()
	file := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		d.Fatal(err)
	}
}

// wants asks who owns the file at path.
func (d debian) wants(o ownership, path string, want Owner) {
	d.Helper()
	got, ok := o.ownerOf(path)
	if got.Why != "" && want.Why != "" && strings.Contains(got.Why, want.Why) {
		got.Why = want.Why
	}
	if ok != (want != Owner{}) || got != want {
		d.Errorf("%s is of %+v, %v, want %+v", path, got, ok, want)
	}
}

func TestAProgramOfAPackageIsIntactAlsoAfterItsUpgrade(t *testing.T) {
	d := newDebian(t)
	o := d.ownership()
	d.wants(o, "/usr/bin/curl", Owner{})
	d.install("curl", "1.0-1", "", map[string]string{"/usr/bin/curl": "one"})
	d.wants(o, "/usr/bin/curl", Owner{"dpkg", "curl", "1.0-1", true, ""})
	d.install("curl", "1:2.0-1", "", map[string]string{"/usr/bin/curl": "two", "/usr/lib/curl/curl-2/curl": "x"})
	d.wants(o, "/usr/bin/curl", Owner{"dpkg", "curl", "1:2.0-1", true, ""})
	d.wants(o, "/usr/lib/curl/curl-2/curl", Owner{"dpkg", "curl", "1:2.0-1", true, ""})
	d.dpkg("--purge", "curl")
	d.wants(o, "/usr/bin/curl", Owner{})
}

func TestATamperedProgramOfAPackageIsNotIntact(t *testing.T) {
	d := newDebian(t)
	o := d.ownership()
	d.install("curl", "1.0-1", "", map[string]string{"/usr/bin/curl": "one", "/opt/curl/bin/curl": "one"})
	file := filepath.Join(d.root, "usr/bin/curl")
	not := func(why string) Owner { return Owner{"dpkg", "curl", "1.0-1", false, why} }
	intact := Owner{"dpkg", "curl", "1.0-1", true, ""}
	change := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	info, err := os.Stat(file)
	change(err)
	change(os.WriteFile(file, []byte("two"), 0o755)) // of the same size and time
	change(os.Chtimes(file, info.ModTime(), info.ModTime()))
	d.wants(o, "/usr/bin/curl", not("changed since"))
	change(os.WriteFile(file, []byte("one"), 0o755))
	d.wants(o, "/usr/bin/curl", intact)

	for _, mode := range []os.FileMode{0o775, 0o757} {
		change(os.Chmod(file, mode))
		d.wants(o, "/usr/bin/curl", not("others than root may write to it"))
	}
	change(os.Chmod(file, 0o755))
	change(os.Chown(file, 1000, 0))
	d.wants(o, "/usr/bin/curl", not("others than root"))
	change(os.Chown(file, 0, 1000))
	d.wants(o, "/usr/bin/curl", intact)

	change(os.Chmod(filepath.Join(d.root, "opt"), 0o775))
	d.wants(o, "/opt/curl/bin/curl", not("the folder"))
	change(os.Chmod(filepath.Join(d.root, "opt"), 0o755))
	change(os.Chown(filepath.Join(d.root, "opt/curl"), 1000, 0))
	d.wants(o, "/opt/curl/bin/curl", not("the folder"))
	change(os.Chown(filepath.Join(d.root, "opt/curl"), 0, 0))
	d.wants(o, "/opt/curl/bin/curl", intact)

	change(os.Rename(filepath.Join(d.root, "opt/curl/bin"), filepath.Join(d.root, "opt/curl/other")))
	change(os.Symlink("other", filepath.Join(d.root, "opt/curl/bin")))
	d.wants(o, "/opt/curl/bin/curl", not("is a link"))

	change(os.Rename(file, file+".real"))
	change(os.Symlink("curl.real", file))
	d.wants(o, "/usr/bin/curl", not("is a link"))
	change(os.Remove(file))
	d.wants(o, "/usr/bin/curl", not("cannot be opened"))
	change(os.Mkdir(file, 0o755))
	d.wants(o, "/usr/bin/curl", not("not a regular file"))

	for _, path := range []string{"", "usr/bin/curl", "/usr/bin/../bin/curl", "//usr/bin/curl", "/usr/bin/curl/", "/usr/bin/other", "/usr/bin", "/"} {
		d.wants(o, path, Owner{})
	}
}

func TestAProgramIsFoundByEitherNameOfAFolder(t *testing.T) {
	d := newDebian(t)
	o := d.ownership()
	d.install("nano", "1", "", map[string]string{"/bin/nano": "n"})
	d.install("joe", "2", "", map[string]string{"/usr/bin/joe": "j"})
	for _, folder := range []string{"/bin", "/usr/bin"} {
		d.wants(o, folder+"/nano", Owner{"dpkg", "nano", "1", true, ""})
		d.wants(o, folder+"/joe", Owner{"dpkg", "joe", "2", true, ""})
	}
}

func TestADivertedProgramIsWhereItWasMovedTo(t *testing.T) {
	d := newDebian(t)
	o := d.ownership()
	d.install("perf", "1", "", map[string]string{"/usr/bin/perf": "perf"})
	d.run("dpkg-divert", "--root", d.root, "--package", "wrapper", "--rename", "--divert", "/usr/bin/perf.real", "--add", "/usr/bin/perf")
	d.install("wrapper", "3", "", map[string]string{"/usr/bin/perf": "wrapper"})
	d.wants(o, "/usr/bin/perf", Owner{"dpkg", "wrapper", "3", true, ""})
	d.wants(o, "/usr/bin/perf.real", Owner{"dpkg", "perf", "1", true, ""})
	if err := os.Rename(filepath.Join(d.root, "usr/bin/perf.real"), filepath.Join(d.root, "usr/bin/perf")); err != nil {
		t.Fatal(err)
	}
	d.wants(o, "/usr/bin/perf", Owner{"dpkg", "wrapper", "3", false, "changed since"})
}

func TestAPackageOfSeveralArchitecturesIsNamedWithItsOwn(t *testing.T) {
	d := newDebian(t)
	o := d.ownership()
	d.install("libc6", "2.36", "Multi-Arch: same\n", map[string]string{"/lib/ld.so": "l"})
	d.wants(o, "/usr/lib/ld.so", Owner{"dpkg", "libc6:amd64", "2.36", true, ""})
}

func TestWhatAPackageDoesNotVouchForIsNotIntact(t *testing.T) {
	d := newDebian(t)
	o := d.ownership()
	d.install("tool", "1", "", map[string]string{"/usr/bin/tool": "t"})
	sums := filepath.Join(d.root, "var/lib/dpkg/info/tool.md5sums")
	for _, content := range []string{"", "not a digest  usr/bin/tool\n", "e358efa489f58062f10dd7316b65649e /usr/bin/tool\n"} {
		if err := os.WriteFile(sums, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		d.wants(o, "/usr/bin/tool", Owner{"dpkg", "tool", "1", false, "records no digest"})
	}
	status := filepath.Join(d.root, "var/lib/dpkg/status")
	b, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	d.write(d.root, "/var/lib/dpkg/updates/0001", strings.Replace(string(b), "ok installed", "ok half-installed", 1))
	d.wants(o, "/usr/bin/tool", Owner{"dpkg", "tool", "1", false, "being installed"})
	d.write(d.root, "/var/lib/dpkg/updates/0002", strings.Replace(string(b), "ok installed", "ok config-files", 1))
	d.wants(o, "/usr/bin/tool", Owner{})
}

func TestASystemWithoutPackagesOwnsNothing(t *testing.T) {
	o := ownership{t.TempDir(), []packages{newDpkg(t.TempDir())}}
	if owner, ok := o.ownerOf("/usr/bin/curl"); ok {
		t.Errorf("owned by %+v", owner)
	}
	if owner, ok := OwnerOf("/no such/file"); ok {
		t.Errorf("owned by %+v", owner)
	}
}
