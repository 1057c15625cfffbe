package app

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// TestOneProcessIsEngineAndWindows has windows that ask about what the engine
// beside them holds, while commands reach the engine as well.
func TestOneProcessIsEngineAndWindows(t *testing.T) {
	dir := t.TempDir()
	o := engineOptions{Demo: true, Data: filepath.Join(dir, "data"), Socket: testAddress(dir)}
	closed := errors.New("the person closed the windows")
	err := hostEngine(t.Context(), o, func(ctx context.Context, c *Control) error {
		if s, err := link.NewClient(o.Socket).Status(ctx); err != nil || !s.Running {
			t.Errorf("a command: %+v, %v", s, err)
		}
		if err := c.SetMode(ctx, firewall.ModeAsk); err != nil {
			t.Error(err)
		}
		asked := make(chan ui.Prompt, 1)
		watching, stop := context.WithTimeout(ctx, 20*time.Second)
		defer stop()
		go c.Watch(watching, func(e ui.Event) {
			if e.Prompts != nil && len(*e.Prompts) > 0 {
				select {
				case asked <- (*e.Prompts)[0]:
				default:
				}
			}
		})
		c.backend.(*firewalltest.Memory).Dial(attempt(`C:\Windows\System32\curl.exe`, "192.0.2.1:443"))
		select {
		case p := <-asked:
			if !p.Here {
				t.Error("the windows beside the engine do not ask")
			}
		case <-watching.Done():
			t.Error("nothing is asked")
		}
		return closed
	})
	if !errors.Is(err, closed) {
		t.Errorf("it ended with %v", err)
	}
	// The engine ended with its windows: the database and the pipe are free.
	s, _, err := persistence.Open(filepath.Join(o.Data, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := link.NewClient(o.Socket).Status(t.Context()); !errors.Is(err, ui.ErrGone) {
		t.Errorf("an engine is left: %v", err)
	}
}

// TestWindowsEndWithAnEngineThatFails has one whose database is in use.
func TestWindowsEndWithAnEngineThatFails(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	o := engineOptions{Demo: true, Data: filepath.Join(r.dir, "data"), Socket: r.socket + "-another"}
	err := hostEngine(t.Context(), o, func(context.Context, *Control) error {
		t.Error("windows without an engine")
		return nil
	})
	if !errors.Is(err, persistence.ErrLocked) {
		t.Errorf("it ended with %v", err)
	}
}
