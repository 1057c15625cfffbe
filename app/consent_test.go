package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// refusing is an engine that lets its peer only look.
type refusing struct {
	ui.Control
	err error
}

func (r refusing) SetMode(context.Context, firewall.Mode) error     { return r.err }
func (r refusing) SetSetting(context.Context, string, string) error { return r.err }
func (r refusing) Undo(context.Context, string) (ui.Change, error)  { return ui.Change{}, r.err }

func TestWhatIsRefusedIsAskedOfAnAdministrator(t *testing.T) {
	var ran []string
	declined := errors.New("the person said no")
	run := func(_ context.Context, command ...string) error {
		ran = append(ran, strings.Join(command, " "))
		return declined
	}
	no := consent{refusing{err: fmt.Errorf("%w: this needs an administrator", ui.ErrRefused)}, run}
	for _, err := range []error{no.SetMode(t.Context(), firewall.ModeLock), no.SetSetting(t.Context(), "fail", "closed")} {
		if !errors.Is(err, declined) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := no.Undo(t.Context(), "17"); !errors.Is(err, declined) {
		t.Errorf("got %v", err)
	}
	if _, err := no.Undo(t.Context(), "17 & calc"); !errors.Is(err, ui.ErrRefused) {
		t.Errorf("got %v", err)
	}
	// Only words of ours become part of a command.
	for name, value := range map[string]string{"fail": "open & calc", "patience": "20s", "user": "ann"} {
		if err := no.SetSetting(t.Context(), name, value); !errors.Is(err, ui.ErrRefused) {
			t.Errorf("%s %s: %v", name, value, err)
		}
	}
	yes := consent{refusing{}, run}
	if err := errors.Join(yes.SetMode(t.Context(), firewall.ModeAsk), yes.SetSetting(t.Context(), "fail", "open")); err != nil {
		t.Error(err)
	}
	gone := consent{refusing{err: ui.ErrGone}, run}
	if err := gone.SetMode(t.Context(), firewall.ModeLock); !errors.Is(err, ui.ErrGone) {
		t.Errorf("without an engine: %v", err)
	}
	if want := []string{"mode lock", "settings fail closed", "undo 17"}; !slices.Equal(ran, want) {
		t.Errorf("ran %q, want %q", ran, want)
	}
}
