package process

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fedora is a system of its own below a folder, with a database of rpm.
type fedora struct{ debian }

func newFedora(t *testing.T) fedora {
	t.Helper()
	if os.Getuid() != 0 {
		unable(t, "only root can install packages")
	}
	for _, tool := range []string{"rpm", "rpmbuild"} {
		if _, err := exec.LookPath(tool); err != nil {
			unable(t, "no "+tool)
		}
	}
	f := fedora{debian{t, t.TempDir()}}
	f.run("mkdir", "-p", f.root+"/usr/bin", f.root+"/var/lib/rpm")
	f.run("ln", "-s", "usr/bin", f.root+"/bin")
	f.rpm("--initdb")
	return f
}

func (f fedora) rpm(arguments ...string) {
	f.Helper()
	f.run("rpm", append([]string{"--root", f.root, "--dbpath", "/var/lib/rpm"}, arguments...)...)
}

// install builds a package with one file, with digests of that kind, and
// installs it.
func (f fedora) install(name, version, digests, path, content string) {
	f.Helper()
	top := f.TempDir()
	f.write(top, "/content", content)
	f.write(top, "/spec", strings.NewReplacer("NAME", name, "VERSION", version, "PATH", path, "CONTENT", top+"/content").Replace(`
Name: NAME
Version: VERSION
Release: 1
Summary: a package
License: none
BuildArch: noarch
%description
A package.
%install
install -D -m 755 CONTENT %{buildroot}PATH
%files
%attr(755, root, root) PATH
`))
	f.run("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+top, "--define", "_binary_filedigest_algorithm "+digests,
		"--define", "_build_id_links none", "--define", "debug_package %{nil}", top+"/spec")
	built, err := filepath.Glob(top + "/RPMS/*/*.rpm")
	if err != nil || len(built) != 1 {
		f.Fatalf("built %v, %v", built, err)
	}
	f.rpm("--upgrade", "--nodeps", "--ignorearch", built[0])
}

func TestAProgramOfRPMIsIntactAlsoAfterItsUpgrade(t *testing.T) {
	f := newFedora(t)
	o := ownership{f.root, []packages{rpm{f.root}}}
	f.wants(o, "/usr/bin/curl", Owner{})
	f.install("curl", "1.0", "8", "/usr/bin/curl", "one")
	f.wants(o, "/usr/bin/curl", Owner{"rpm", "curl", "1.0-1", true, ""})
	f.wants(o, "/bin/curl", Owner{"rpm", "curl", "1.0-1", true, ""})
	f.install("curl", "2.0", "10", "/usr/bin/curl", "two")
	f.wants(o, "/usr/bin/curl", Owner{"rpm", "curl", "2.0-1", true, ""})
	f.wants(o, "/usr/bin", Owner{})
	f.wants(o, "/usr/bin/other", Owner{})

	f.write(f.root, "/usr/bin/curl", "owt")
	f.wants(o, "/usr/bin/curl", Owner{"rpm", "curl", "2.0-1", false, "changed since"})
	f.write(f.root, "/usr/bin/curl", "two")
	if err := os.Chmod(f.root+"/usr/bin", 0o777); err != nil {
		t.Fatal(err)
	}
	f.wants(o, "/usr/bin/curl", Owner{"rpm", "curl", "2.0-1", false, "the folder"})
	if err := os.Chmod(f.root+"/usr/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	f.install("weak", "1", "1", "/usr/bin/weak", "w")
	f.wants(o, "/usr/bin/weak", Owner{"rpm", "weak", "1-1", false, "records no digest"})
}

func FuzzParseRPM(f *testing.F) {
	const digest = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
	f.Add("P\tcurl\t1-1\t8\nF\t"+digest+"\t/usr/bin/curl\n", "/usr/bin/curl")
	f.Add("P\ta\t1\t8\nF\t\t/etc\nP\tb\t1\t10\nF\tzz\t/usr/bin/curl\n", "/usr/bin/curl")
	f.Add("F\t\t/a\n", "/a")
	f.Fuzz(func(t *testing.T, text, path string) {
		r, ok := parseRPM(text, path, nil)
		if !ok {
			return
		}
		if r.Name == "" || r.path != path || !strings.Contains(text, r.Name) || r.Intact {
			t.Errorf("%q has %q of %+v", text, path, r)
		}
		if r.digest != nil && (r.hash == nil || len(r.digest) != r.hash().Size() || !strings.Contains(strings.ToLower(text), hex.EncodeToString(r.digest))) {
			t.Errorf("%q has the digest %x", text, r.digest)
		}
	})
}
