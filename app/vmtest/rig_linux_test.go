package vmtest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/vmtest"
)

// boot gives a running guest, or leaves the test out where none can be built.
func boot(t *testing.T) *vmtest.Guest {
	t.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img", "mmdebstrap", "mke2fs", "cpio"} {
		if _, err := exec.LookPath(tool); err != nil {
			if _, err := os.Stat("/usr/sbin/" + tool); err != nil {
				leaveOut(t, "there is no "+tool+" (scripts/install-deps test installs it)")
			}
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t, 10*time.Minute)
	image, err := vmtest.Build(ctx, filepath.Join(root, "build", "vm"))
	if err != nil {
		if os.Geteuid() != 0 {
			leaveOut(t, err.Error())
		}
		t.Fatal(err)
	}
	t.Cleanup(image.Close)
	g, err := vmtest.New(ctx, image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", g.Console())
		}
		g.Close()
	})
	if err := g.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	return g
}

func leaveOut(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func deadline(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
