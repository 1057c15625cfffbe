package vmtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Image is what a guest boots from.
type Image struct{ Kernel, Initrd, Disk string }

//go:embed guest image.sh
var inputs embed.FS

// Build makes the image below cache, or finds it there if nothing that it is
// made of has changed since. It takes about 75 s, needs root, and the tools
// that scripts/install-deps installs for the tests.
func Build(ctx context.Context, cache string) (Image, error) {
	release, err := hostRelease()
	if err != nil {
		return Image{}, err
	}
	sources, err := packageSources(ctx, release)
	if err != nil {
		return Image{}, err
	}
	sum, err := hash(sources)
	if err != nil {
		return Image{}, err
	}
	dir := filepath.Join(cache, sum)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Image{}, err
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	image := Image{Kernel: dir + "/vmlinux", Initrd: dir + "/initrd", Disk: dir + "/base.qcow2"}
	if _, err := os.Stat(image.Disk); err == nil {
		return image, nil
	}
	if os.Geteuid() != 0 {
		return Image{}, errors.New("only root can build the guest's disk")
	}
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return Image{}, err
	}
	defer os.RemoveAll(work)
	for _, program := range []string{"agent", "initrd", "outside"} {
		build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(work, program), "sallyport.dev/sallyport/app/vmtest/guest/"+program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return Image{}, fmt.Errorf("build the guest's %s: %w: %s", program, err, out)
		}
	}
	script, err := inputs.ReadFile("image.sh")
	if err != nil {
		return Image{}, err
	}
	c := exec.CommandContext(ctx, "bash", "-s", "--", work, release["VERSION_CODENAME"], kernelPackage(release))
	c.Args = append(c.Args, sources...)
	c.Stdin = bytes.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		return Image{}, fmt.Errorf("build the guest's disk: %w: %s", err, out)
	}
	if err := extractKernel(ctx, filepath.Join(work, "vmlinuz"), filepath.Join(work, "vmlinux")); err != nil {
		return Image{}, err
	}
	os.RemoveAll(dir)
	return image, os.Rename(work, dir)
}

// hostRelease reads /etc/os-release: the guest is the same system.
func hostRelease() (map[string]string, error) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[name] = strings.Trim(value, `"`)
		}
	}
	if id := values["ID"]; id != "debian" && id != "ubuntu" {
		return nil, fmt.Errorf("the guest is built from Debian's or Ubuntu's packages, and this is %q", id)
	}
	return values, nil
}

func kernelPackage(release map[string]string) string {
	if release["ID"] == "ubuntu" {
		return "linux-image-virtual"
	}
	return "linux-image-cloud-amd64"
}

// packageSources gives the lines of the package sources that this machine uses
// for its own release.
func packageSources(ctx context.Context, release map[string]string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return nil, fmt.Errorf("list this machine's package sources: %w", err)
	}
	name := release["VERSION_CODENAME"]
	seen := map[string]bool{}
	var sources []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "main" {
			continue
		}
		if suite := fields[1]; suite != name && suite != name+"-updates" && suite != name+"-security" {
			continue
		}
		source := "deb " + strings.Join(fields, " ")
		if !seen[source] {
			seen[source] = true
			sources = append(sources, source)
		}
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("this machine has no package sources for %s", name)
	}
	return sources, nil
}

func hash(sources []string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, sources)
	err := fs.WalkDir(inputs, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := inputs.ReadFile(path)
		fmt.Fprintln(sum, path, len(text))
		sum.Write(text)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

// lock keeps two builds of one image apart.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// extractKernel unpacks the ELF image inside a bzImage: it boots through the
// PVH entry, without real mode and decompression.
func extractKernel(ctx context.Context, from, to string) error {
	packed, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	for _, form := range []struct{ magic, tool string }{
		{"\xfd7zXZ\x00", "xz"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"\x1f\x8b\x08", "gzip"}, {"\x02\x21\x4c\x18", "lz4"},
	} {
		rest := packed
		for {
			at := bytes.Index(rest, []byte(form.magic))
			if at < 0 {
				break
			}
			c := exec.CommandContext(ctx, form.tool, "-dc")
			c.Stdin = bytes.NewReader(rest[at:])
			// what follows the packed image makes the tool fail at the end
			if plain, _ := c.Output(); bytes.HasPrefix(plain, []byte("\x7fELF")) {
				return os.WriteFile(to, plain, 0o644)
			}
			rest = rest[at+1:]
		}
	}
	return fmt.Errorf("no kernel found in %s", from)
}
