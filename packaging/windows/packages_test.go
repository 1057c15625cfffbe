// Package windows_test builds the packages for Windows with a stand-in for
// WinDivert, and installs and removes them in Wine.
package windows_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tc-hib/winres"
	"github.com/tc-hib/winres/version"
)

const (
	root     = "../.." // of the source
	official = "63cb41763bb4b20f600b6de04e991a9c2be73279e317d4d82f237b150c5f3f15"
)

// files are what a package consists of.
var files = []string{"LICENSE.txt", "WinDivert-LICENSE.txt", "WinDivert.dll", "WinDivert64.sys", "sallyport.exe", "sallyportw.exe"}

func TestAZipThatIsNotTheOfficialOneIsRefused(t *testing.T) {
	path, content := pair(t, []byte("library"), []byte("driver"))
	sum := sha256.Sum256(content)
	said := refused(t, "WINDIVERT_ZIP="+path)
	for _, want := range []string{hex.EncodeToString(sum[:]), official, "Download it again", "Nothing was packed"} {
		if !strings.Contains(said, want) {
			t.Errorf("it said %q, without %q", said, want)
		}
	}
}

func TestWhoGivesNoZipIsToldHow(t *testing.T) {
	for _, env := range []string{"WINDIVERT_ZIP=", "WINDIVERT_ZIP=" + filepath.Join(t.TempDir(), "none.zip")} {
		if said := refused(t, env); !strings.Contains(said, "WinDivert-2.2.2-A.zip") || !strings.Contains(said, "WINDIVERT_ZIP") {
			t.Errorf("%s: it said %q", env, said)
		}
	}
}

// refused runs dist-windows, which must fail and write nothing.
func refused(t *testing.T, env string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	c := exec.CommandContext(t.Context(), root+"/scripts/dist-windows", "--out", out)
	c.Env = append(os.Environ(), env)
	said, err := c.CombinedOutput()
	if err == nil {
		t.Errorf("it was packed: %s", said)
	}
	if left, _ := os.ReadDir(out); len(left) > 0 {
		t.Errorf("%d files were written", len(left))
	}
	return string(said)
}

func TestTheSameFilesMakeTheSameZip(t *testing.T) {
	need(t, "makensis", "wixl", "zip", "unzip")
	source, _ := pair(t, []byte("library"), []byte("driver"))
	programs := t.TempDir()
	write(t, filepath.Join(programs, "sallyport.exe"), []byte("commands"))
	write(t, filepath.Join(programs, "sallyportw.exe"), []byte("windows"))
	first, second := read(t, pack(t, source, programs).zip), read(t, pack(t, source, programs).zip)
	if !bytes.Equal(first, second) {
		t.Error("two runs made different zips")
	}
	unpacked, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range unpacked.File {
		names = append(names, filepath.Base(f.Name))
	}
	if !slices.Equal(names, files) {
		t.Errorf("the zip has %q, want %q", names, files)
	}
	driver, err := unpacked.Open("Sallyport/WinDivert64.sys")
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	if content, err := io.ReadAll(driver); err != nil || string(content) != "driver" {
		t.Errorf("the driver is %q, want the very bytes of the zip: %v", content, err)
	}
}

func TestTheProgramHasIconVersionAndManifest(t *testing.T) {
	exe, err := os.Open(filepath.Join(build(t), "sallyport.exe"))
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	resources, err := winres.LoadFromEXE(exe)
	if err != nil {
		t.Fatal(err)
	}
	icon, err := resources.GetIcon(winres.Name("APP"))
	if err != nil {
		t.Fatal(err)
	}
	var drawn bytes.Buffer
	if err := icon.SaveICO(&drawn); err != nil || !bytes.Equal(drawn.Bytes(), read(t, "sallyport.ico")) {
		t.Errorf("the icon is not sallyport.ico: %v", err)
	}
	var info *version.Info
	resources.WalkType(winres.RT_VERSION, func(_ winres.Identifier, _ uint16, data []byte) bool {
		info, err = version.FromBytes(data)
		return false
	})
	if info == nil || err != nil {
		t.Fatalf("the version: %v", err)
	}
	if v := info.FileVersion; fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) != productVersion(t) || v != info.ProductVersion {
		t.Errorf("the versions are %v and %v, want %s", v, info.ProductVersion, productVersion(t))
	}
	manifest := string(resources.Get(winres.RT_MANIFEST, winres.ID(1), 0x409))
	if !strings.Contains(manifest, `level="asInvoker"`) {
		t.Errorf("the program asks for more than its user has: %s", manifest)
	}
}

// productVersion is FyneApp.toml's.
func productVersion(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^Version = "(.*)"$`).FindSubmatch(read(t, root+"/FyneApp.toml"))
	if m == nil {
		t.Fatal("FyneApp.toml names no version")
	}
	return string(m[1])
}

// pair writes a zip of the form of the official one.
func pair(t *testing.T, library, driver []byte) (path string, content []byte) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct {
		name    string
		content []byte
	}{
		{"x64/WinDivert.dll", library}, {"x64/WinDivert64.sys", driver},
		{"x86/WinDivert.dll", []byte("x86")}, {"x86/WinDivert32.sys", []byte("x86")}, {"LICENSE", []byte("LGPLv3 or GPLv2\n")},
	} {
		w, err := z.Create("WinDivert-2.2.2-A/" + f.name)
		if err == nil {
			_, err = w.Write(f.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "WinDivert-2.2.2-A.zip")
	write(t, path, b.Bytes())
	return path, b.Bytes()
}

// packed are the paths of the packages.
type packed struct{ zip, setup, msi string }

// pack runs dist-windows as only tests do.
func pack(t *testing.T, source, programs string) packed {
	t.Helper()
	out := t.TempDir()
	c := exec.CommandContext(t.Context(), root+"/scripts/dist-windows", "--test", "--programs", programs, "--out", out)
	c.Env = append(os.Environ(), "WINDIVERT_ZIP="+source)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("pack: %v\n%s", err, said)
	}
	base := filepath.Join(out, "sallyport-"+productVersion(t)+"-TEST")
	return packed{base + "-windows-amd64.zip", base + "-setup.exe", base + ".msi"}
}

// build builds the programs as they are packed, save that the one for the
// windows has none: they take long to compile and are not what is tested here.
func build(t *testing.T) (folder string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), root+"/scripts/winres").CombinedOutput(); err != nil {
		t.Fatalf("make the resources: %v\n%s", err, out)
	}
	folder = t.TempDir()
	for name, flags := range map[string]string{"sallyport.exe": "-s -w", "sallyportw.exe": "-s -w -H windowsgui"} {
		c := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o", filepath.Join(folder, name), ".")
		c.Dir = root
		c.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return folder
}

// need ends a test whose tools are missing: as skipped, or where everything is
// required, as failed.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is missing: install it with: scripts/install-deps test windows dist")
		}
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
