package netfilter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// store is a Nix store below a folder.
type store struct {
	*testing.T
	root string
}

const (
	hashA = "0c0i2hgx1lkkrzcjhfhvbwxqf4g8dd5r"
	hashB = "1d0i2hgx1lkkrzcjhfhvbwxqf4g8dd5s"
	hashC = "2f0i2hgx1lkkrzcjhfhvbwxqf4g8dd5v"
)

func (s store) add(path string) {
	s.Helper()
	file := filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(path), 0o555); err != nil {
		s.Fatal(err)
	}
}

func (s store) link(path, to string) {
	s.Helper()
	file := filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.Fatal(err)
	}
	os.Remove(file)
	if err := os.Symlink(to, file); err != nil {
		s.Fatal(err)
	}
}

func TestAProgramOfNixIsTheSameSubjectIfRootInstalledIt(t *testing.T) {
	needsRoot(t)
	s := store{t, t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	wants := func(path, want string) {
		t.Helper()
		if got := nixOf(s.root, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	const (
		curl1 = "/nix/store/" + hashA + "-curl-8.4.0-bin"
		curl2 = "/nix/store/" + hashB + "-curl-8.5.0-bin"
		evil  = "/nix/store/" + hashC + "-curl-8.5.0-bin" // built by somebody who calls it so
	)
	for _, of := range []string{curl1, curl2, evil} {
		s.add(of + "/bin/curl")
		s.add(of + "/libexec/helper")
	}
	system := "/nix/store/" + hashC + "-nixos-system"
	s.link("/run/current-system", system)
	s.link(system+"/sw", "/nix/store/"+hashB+"-system-path")
	bin := "/nix/store/" + hashB + "-system-path/bin/curl"
	s.link(bin, curl1+"/bin/curl")
	wants(curl1+"/bin/curl", "nix:curl/bin/curl")
	wants(curl2+"/bin/curl", "")
	wants(evil+"/bin/curl", "")
	wants(curl1+"/libexec/helper", "") // that root's profile has it, nobody says
	s.link(bin, curl2+"/bin/curl")
	wants(curl2+"/bin/curl", "nix:curl/bin/curl")
	wants(curl1+"/bin/curl", "")

	// The profile for all users, on another system than NixOS.
	s.link("/nix/var/nix/profiles/default", "default-7-link")
	s.link("/nix/var/nix/profiles/default-7-link", "/nix/store/"+hashA+"-user-environment")
	s.link("/nix/store/"+hashA+"-user-environment/bin", curl1+"/bin")
	wants(curl1+"/bin/curl", "nix:curl/bin/curl")
	must(os.Lchown(filepath.Join(s.root, "/nix/var/nix/profiles/default-7-link"), 1000, 0))
	wants(curl1+"/bin/curl", "")
	must(os.Lchown(filepath.Join(s.root, "/nix/var/nix/profiles/default-7-link"), 0, 0))
	must(os.Chmod(filepath.Join(s.root, "/nix/var/nix/profiles"), 0o777))
	wants(curl1+"/bin/curl", "")
	must(os.Chmod(filepath.Join(s.root, "/nix/var/nix/profiles"), 0o755))

	// Those who build may write to the store, and it is sticky.
	must(os.Chmod(filepath.Join(s.root, "/nix/store"), 0o775|os.ModeSticky))
	wants(curl1+"/bin/curl", "nix:curl/bin/curl")
	must(os.Chmod(filepath.Join(s.root, "/nix/store"), 0o775))
	wants(curl1+"/bin/curl", "")
	must(os.Chmod(filepath.Join(s.root, "/nix/store"), 0o755))
	must(os.Chown(filepath.Join(s.root, "/nix/store"), 1000, 0)) // installed by one user for themselves
	wants(curl1+"/bin/curl", "")
	must(os.Chown(filepath.Join(s.root, "/nix/store"), 0, 0))
	must(os.Chmod(filepath.Join(s.root, curl1, "bin"), 0o777))
	wants(curl1+"/bin/curl", "")
	must(os.Chmod(filepath.Join(s.root, curl1, "bin"), 0o755))
	wants(curl1+"/bin/curl", "nix:curl/bin/curl")

	s.link("/nix/var/nix/profiles/default", "default") // in a circle
	wants(curl1+"/bin/curl", "")
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal("only root has files that are root's, and may mount")
	}
	t.Skip("only root has files that are root's, and may mount")
}

func TestPathsOfNix(t *testing.T) {
	for path, want := range map[string][2]string{
		"/nix/store/" + hashA + "-curl-8.4.0-bin/bin/curl":           {"curl", "/bin/curl"},
		"/nix/store/" + hashA + "-python3-3.11.6/bin/python3.11":     {"python3", "/bin/python3.11"},
		"/nix/store/" + hashA + "-gtk+3-3.24.38-dev/bin/a":           {"gtk+3", "/bin/a"},
		"/nix/store/" + hashA + "-font-adobe-100dpi-1.0/a":           {"font-adobe", "/a"},
		"/nix/store/" + hashA + "-hello/bin/hello":                   {"hello", "/bin/hello"},
		"/nix/store/" + hashA + "-unstable-2024-01-01/bin/a":         {"unstable", "/bin/a"},
		"/nix/store/" + hashA + "-curl-8.4.0":                        {"", ""},
		"/nix/store/" + hashA + "-/bin/a":                            {"", ""},
		"/nix/store/" + hashA[1:] + "-curl-8/bin/a":                  {"", ""},
		"/nix/store/" + strings.Replace(hashA, "0", "e", 1) + "-a/b": {"", ""},
		"/nix/store/.links/a":                                        {"", ""},
		"/home/a/nix/store/" + hashA + "-curl-8.4.0/bin/curl":        {"", ""},
	} {
		if name, inner := parseNix(path); name != want[0] || inner != want[1] {
			t.Errorf("%s is %q, %q", path, name, inner)
		}
	}
}

func TestPathsOfSnapsAndFlatpakApps(t *testing.T) {
	for path, want := range map[string][3]string{
		"/snap/web/41/bin/web":           {"web", "41", "/bin/web"},
		"/var/lib/snapd/snap/web_a/x2/w": {"web_a", "x2", "/w"},
		"/snap/web/current/bin/web":      {},
		"/snap/web/41":                   {},
		"/snap/web/41/":                  {},
		"/snap/web/x/bin/web":            {},
		"/snap//41/bin/web":              {},
		"/snapd/web/41/bin/web":          {},
		"/home/a/snap/web/41/bin/web":    {},
	} {
		if name, revision, inner := parseSnap(path); [3]string{name, revision, inner} != want {
			t.Errorf("%s is %q, %q, %q", path, name, revision, inner)
		}
	}
	const app = "/var/lib/flatpak/app/org.a.B/x86_64/stable/abc/"
	for path, want := range map[string]string{
		app + "files/bin/a": "org.a.B", app + "files/a": "org.a.B", app + "files": "", app + "metadata/a": "", app + "export/files/a": "",
		"/home/a" + app + "files/a": "", "/var/lib/flatpak/runtime/org.a.B/x86_64/stable/abc/files/a": "",
	} {
		if id := parseFlatpak(path); id != want {
			t.Errorf("%s is of %q", path, id)
		}
	}
}

func FuzzPathsOfPackages(f *testing.F) {
	f.Add("/snap/web/41/bin/web")
	f.Add("/nix/store/" + hashA + "-curl-8.4.0-bin/bin/curl")
	f.Add("/var/lib/flatpak/app/org.a.B/x86_64/stable/abc/files/a")
	f.Fuzz(func(t *testing.T, path string) {
		if name, revision, inner := parseSnap(path); name != "" && !strings.HasSuffix(path, "/"+name+"/"+revision+inner) {
			t.Errorf("%q is %q, %q, %q", path, name, revision, inner)
		}
		if name, inner := parseNix(path); name != "" && (!strings.HasSuffix(path, inner) || !strings.Contains(path, "-"+name)) {
			t.Errorf("%q is %q, %q", path, name, inner)
		}
		if id := parseFlatpak(path); id != "" && !strings.HasPrefix(path, flatpakApps+"/"+id+"/") {
			t.Errorf("%q is of %q", path, id)
		}
	})
}
