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
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Image is what a guest boots from. It stays until Close; then another build
// may remove it.
type Image struct {
	Kernel, Initrd, Disk string
	use                  *os.File
}

// Close ends the image's use.
func (i Image) Close() { i.use.Close() }

//go:embed guest image.sh
var inputs embed.FS

// Build makes the image below cache, or finds it there if nothing that it is
// made of has changed since; images of older recipes are removed. It takes
// about 75 s, needs root, and the tools that scripts/install-deps installs for
// the tests.
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
	building, err := lock(filepath.Join(cache, "lock"), unix.LOCK_EX)
	if err != nil {
		return Image{}, err
	}
	defer building.Close()
	if err := sweep(cache, sum); err != nil {
		return Image{}, err
	}
	use, err := lock(dir+".lock", unix.LOCK_SH)
	if err != nil {
		return Image{}, err
	}
	image := Image{dir + "/vmlinux", dir + "/initrd", dir + "/base.qcow2", use}
	if _, err := os.Stat(image.Disk); err == nil {
		return image, nil
	}
	if err := image.build(ctx, release, sources, cache, dir); err != nil {
		image.Close()
		return Image{}, err
	}
	return image, nil
}

// sweep removes what no guest uses: images of other recipes, and what a build
// left that was killed.
func sweep(cache, keep string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(cache, e.Name())
		if !e.IsDir() || e.Name() == keep {
			continue
		}
		if use, err := lock(path+".lock", unix.LOCK_EX|unix.LOCK_NB); err == nil {
			os.RemoveAll(path)
			os.Remove(path + ".lock")
			use.Close()
		}
	}
	return nil
}

func (i Image) build(ctx context.Context, release map[string]string, sources []string, cache, dir string) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can build the guest's disk")
	}
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, program := range []string{"agent", "initrd", "outside"} {
		build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(work, program), "sallyport.dev/sallyport/app/vmtest/guest/"+program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build the guest's %s: %w: %s", program, err, out)
		}
	}
	script, err := inputs.ReadFile("image.sh")
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "bash", "-s", "--", work, release["VERSION_CODENAME"], kernelPackage(release))
	c.Args = append(c.Args, sources...)
	c.Stdin = bytes.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build the guest's disk: %w: %s", err, out)
	}
	if err := extractKernel(ctx, filepath.Join(work, "vmlinuz"), filepath.Join(work, "vmlinux")); err != nil {
		return err
	}
	// an ordinary user may boot what root has built
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	os.RemoveAll(dir)
	return os.Rename(work, dir)
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
// for its own release. Where apt has no lists yet, root fetches them.
func packageSources(ctx context.Context, release map[string]string) ([]string, error) {
	sources, err := knownSources(ctx, release["VERSION_CODENAME"])
	if err != nil || len(sources) > 0 {
		return sources, err
	}
	if os.Geteuid() == 0 {
		if out, err := exec.CommandContext(ctx, "apt-get", "-qq", "update").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("fetch the package lists: %w: %s", err, out)
		}
		sources, err = knownSources(ctx, release["VERSION_CODENAME"])
	}
	if err == nil && len(sources) == 0 {
		err = fmt.Errorf("apt knows no package source of %s: run apt-get update", release["PRETTY_NAME"])
	}
	return sources, err
}

func knownSources(ctx context.Context, name string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return nil, fmt.Errorf("list this machine's package sources: %w", err)
	}
	var sources []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "main" {
			continue
		}
		if suite := fields[1]; suite != name && suite != name+"-updates" && suite != name+"-security" {
			continue
		}
		if source := "deb " + strings.Join(fields, " "); !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
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

// lock takes a file's lock, how as for flock(2), until the file is closed.
func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
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
