//go:build !windows

package app

import (
	"context"
	"net"
	"os"
	"testing"
)

func TestASocketLeftBehindIsReplaced(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	path, err := claimPath()
	if err != nil {
		t.Fatal(err)
	}
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	claim, err := claimSession(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	claim.Close()
}
