package ui_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"fyne.io/fyne/v2/test"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// file is a file that was chosen in a dialog.
type file struct {
	bytes.Buffer
	closed chan struct{}
}

func (f *file) Close() error { close(f.closed); return nil }

func TestRulesGoToAFileAndComeBackAfterTheDifferenceWasShown(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 10), ui.ViewPrograms)
	d.sees("Any program")
	add := ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block, Until: "always", Enabled: true}
	r, err := d.control.AddRule(t.Context(), add)
	if err != nil {
		t.Fatal(err)
	}
	d.sees("curl")
	test.Tap(d.button("Export or import"))
	d.sees("Import rules and settings…")
	d.picture("transfer-menu")
	d.window.Canvas().Overlays().Remove(d.window.Canvas().Overlays().Top())

	f := &file{closed: make(chan struct{})}
	d.ui.ExportTo(f)
	<-f.closed
	if !strings.Contains(f.String(), "/usr/bin/curl") {
		t.Fatalf("exported %q", f.String())
	}
	d.ui.ImportFrom("policy.toml", io.NopCloser(strings.NewReader(f.String())))
	d.sees("The file changes nothing.")
	test.Tap(d.button("Cancel"))
	if err := d.control.RemoveRule(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	d.misses("curl")
	d.ui.ImportFrom("policy.toml", io.NopCloser(strings.NewReader(f.String())))
	d.sees("Add curl: Block · To anywhere · Always")
	d.sees("firefox → 3 connections to 2 hosts would be blocked")
	d.picture("transfer-difference")
	test.Tap(d.button("Import"))
	d.loop.Until(t, "the rule is back", func() bool { r, ok := d.theRule("/usr/bin/curl"); return ok && r.Verdict == firewall.Block })
}

func TestAFileThatIsNotOursIsRefusedWithTheReason(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 10), ui.ViewPrograms)
	d.sees("Any program")
	d.ui.ImportFrom("x", io.NopCloser(strings.NewReader("not rules")))
	d.sees("Line 1: ")
}

func TestWhatTheFileDoesNotNameGoesOnlyIfThePersonSaysSo(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 10), ui.ViewPrograms)
	d.sees("Any program")
	f := &file{closed: make(chan struct{})}
	d.ui.ExportTo(f)
	<-f.closed
	if _, err := d.control.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block, Until: "always", Enabled: true}); err != nil {
		t.Fatal(err)
	}
	d.sees("curl")
	d.ui.ImportFrom("policy.toml", io.NopCloser(strings.NewReader(f.String())))
	d.sees("The file changes nothing.")
	test.Tap(d.box("Remove the rules and settings that the file does not name"))
	d.sees("Remove curl: Block · To anywhere · Always")
	d.picture("transfer-replace")
	test.Tap(d.box("Remove the rules and settings that the file does not name"))
	d.sees("The file changes nothing.")
	test.Tap(d.box("Remove the rules and settings that the file does not name"))
	d.sees("Remove curl: Block · To anywhere · Always")
	test.Tap(d.button("Import"))
	d.misses("curl")
}

func TestRulesOfAnotherFirewallComeWithWhatIsLeftOut(t *testing.T) {
	d := newMainDeskOptions(t, uitest.New(firewall.ModeAsk, 10), ui.ViewPrograms, ui.Options{Translate: func(name string, text []byte) (ui.Translated, error) {
		if name != "profile.xml" {
			return ui.Translated{}, errors.New("no profile of simplewall: line 3: unexpected EOF")
		}
		return ui.Translated{Document: text, From: "simplewall", Left: []string{`allow System: the kernel of Windows as a process: here it is not one program (line 9)`}}, nil
	}})
	d.sees("Any program")
	d.ui.ImportFrom("cut.xml", io.NopCloser(strings.NewReader("")))
	d.sees("no profile of simplewall: line 3: ")
	d.ui.ImportFrom("profile.xml", io.NopCloser(strings.NewReader(`{"id":"x1","program":"/usr/bin/curl","verdict":"allow","until":"always","enabled":true}`)))
	d.sees("Add curl: Allow")
	d.sees("Left out: allow System: the kernel of Windows")
	d.picture("transfer-foreign")
	test.Tap(d.button("Import"))
	d.loop.Until(t, "the rule is there", func() bool { _, ok := d.theRule("/usr/bin/curl"); return ok })
}
