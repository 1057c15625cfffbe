package netfilter_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compiler made the committed eBPF programs; another version makes other bytes.
const compiler = "clang version 14.0.6"

// The eBPF programs in the repository are what their source compiles to, byte
// for byte: nobody has to trust them.
func TestGeneratedProgramsAreTheirSource(t *testing.T) {
	version, err := exec.Command("clang", "--version").Output()
	if err != nil || !bytes.Contains(version, []byte(compiler)) {
		why := "comparing the eBPF programs with their source needs " + compiler + " (on Debian 12: scripts/install-deps generate)"
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	source, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	_, command, ok := strings.Cut(string(source), "//go:generate ")
	if !ok {
		t.Fatal("generate.go generates nothing")
	}
	command, _, _ = strings.Cut(command, "\n")
	dir := t.TempDir()
	c := exec.Command("bash", "-c", strings.Replace(command, "bpf2go ", "bpf2go -output-dir "+dir+" ", 1))
	c.Env = append(os.Environ(), "GOPACKAGE=netfilter")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"kernel_bpfel.o", "kernel_bpfel.go"} {
		committed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		made, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(committed, made) {
			t.Errorf("%s is not what its source compiles to: make generate", name)
		}
	}
}
