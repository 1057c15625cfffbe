package app

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// rig is a whole engine in this process: a real database, the backend in
// memory, a real socket.
type rig struct {
	*Control
	memory *firewalltest.Memory
	socket string
	dir    string
	stop   func() error
}

func newRig(t testing.TB, first firewall.Mode, access link.Access) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "sallyport-app-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return openRig(t, dir, first, access)
}

func openRig(t testing.TB, dir string, first firewall.Mode, access link.Access) *rig {
	t.Helper()
	r := &rig{memory: firewalltest.NewMemory(), dir: dir, socket: testAddress(dir)}
	store, _, err := persistence.Open(filepath.Join(dir, "data", databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	if r.Control, err = NewControl(store, r.memory, first); err != nil {
		t.Fatal(err)
	}
	l, err := link.Listen(r.socket, access)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- serve(ctx, r.Control, func(ctx context.Context) error {
			return (&link.Server{Control: r.Control, Access: access}).Serve(ctx, l)
		}, func() { close(ready) })
	}()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return errors.Join(<-ended, store.Close())
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case <-time.After(10 * time.Second):
		t.Fatal("the engine did not start")
	}
	return r
}

// onlyUs lets in root and who runs the tests.
var onlyUs = link.Access{GID: -1, Group: memberGroup, UID: os.Getuid()}

func attempt(path, remote string) firewall.Attempt {
	return firewall.Attempt{
		Flow:    firewall.Flow{Protocol: firewall.TCP, Remote: netip.MustParseAddrPort(remote)},
		Program: firewall.Program{Kind: firewall.Executable, Path: path}, UID: 1000,
	}
}

// ask dials and returns the question that comes up.
func (r *rig) ask(t testing.TB, a firewall.Attempt) (*firewalltest.Connection, ui.Prompt) {
	t.Helper()
	c := r.memory.Dial(a)
	ps, err := r.Prompts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		if p.Name == a.Program.Name() {
			return c, p
		}
	}
	t.Fatalf("no question about %s in %+v", a.Program.Name(), ps)
	return nil, ui.Prompt{}
}

func (r *rig) decided(t testing.TB, c *firewalltest.Connection, want firewall.Verdict, reason firewall.Reason) {
	t.Helper()
	select {
	case <-c.Decided():
	case <-time.After(10 * time.Second):
		t.Fatal("the flow is still held")
	}
	if d, _ := c.Decision(); d.Verdict != want || d.Reason != reason {
		t.Fatalf("decided %s by %s, want %s by %s", d.Verdict, d.Reason, want, reason)
	}
}

func (r *rig) log(t testing.TB, q ui.LogQuery) []ui.LogLine {
	t.Helper()
	if err := r.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines, err := r.Log(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
