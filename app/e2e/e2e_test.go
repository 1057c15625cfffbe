//go:build linux

// Package e2e tests the whole program as a person meets it: a real engine that
// holds real traffic in namespaces of its own, real windows under Xvfb, and
// clicks through the X server. Pictures are left in build/e2e.
package e2e

import (
	"image"
	"image/color"
	"os"
	"strings"
	"testing"
	"time"
)

// What is drawn, on a screen of 1280 by 800 pixels, once a picture is worth
// taking.
var (
	allowButton = sight{image.Rect(1060, 600, 1260, 790), color.NRGBA{0x23, 0x91, 0x5b, 255}}
	allowedPill = sight{image.Rect(980, 300, 1070, 480), color.NRGBA{0x14, 0x37, 0x2a, 255}}
	blockedPill = sight{image.Rect(980, 300, 1070, 480), color.NRGBA{0x43, 0x20, 0x2a, 255}}
	primary     = color.NRGBA{0x4c, 0x8d, 0xff, 255}
	goneBanner  = sight{image.Rect(250, 50, 1070, 260), color.NRGBA{0x43, 0x20, 0x2a, 255}}
)

func TestMain(m *testing.M) {
	if os.Getenv(servingVariable) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

func TestAllowLetsAHeldConnectionThrough(t *testing.T) {
	w := newWorld(t, "allow")
	d := w.desktop()
	curl := w.curl()
	prompt := d.waitForPrompt()
	w.screen.picture("prompt-allow", allowButton)
	if curl.ended() {
		t.Fatalf("the connection was not held: %s", curl.output())
	}
	clicked := d.answer(prompt, "Allow")
	if out := curl.wait(); !strings.Contains(out, serverSays) {
		t.Errorf("curl got %q, want %q", out, serverSays)
	}
	t.Logf("click → answered, connected and read: %v", time.Since(clicked).Round(time.Millisecond))
	d.waitForNone()
	d.until("the log shows the connection", func(i inspection) bool { return i.count("curl") > 0 && i.count("Allowed") == 2 })
	w.screen.picture("log-allow", allowedPill)

	again := w.curl()
	if out := again.wait(); !strings.Contains(out, serverSays) {
		t.Errorf("the second time curl got %q", out)
	}
	if i := d.inspect(); i.Prompt != "" {
		t.Error("asked twice")
	}
}

func TestDenyEndsAHeldConnectionAtOnce(t *testing.T) {
	w := newWorld(t, "deny")
	d := w.desktop()
	curl := w.curl()
	prompt := d.waitForPrompt()
	w.screen.picture("prompt-deny", allowButton)
	clicked := d.answer(prompt, "Deny")
	out := curl.wait()
	t.Logf("click → curl failed: %v", time.Since(clicked).Round(time.Millisecond))
	if strings.Contains(out, serverSays) {
		t.Error("curl got through")
	}
	if curl.code() != curlFailedToConnect {
		t.Errorf("curl ended with %d, want %d: %s", curl.code(), curlFailedToConnect, out)
	}
	d.until("the log shows the connection", func(i inspection) bool { return i.count("curl") > 0 && i.count("Blocked") == 2 })
	w.screen.picture("log-deny", blockedPill)
}

func TestEngineGoneIsShownWithinTwoSeconds(t *testing.T) {
	w := newWorld(t, "gone")
	d := w.desktop()
	gone := func(i inspection) bool { return i.reads("main", "does not answer") }
	d.until("the window is live", func(i inspection) bool { return i.reads("main", "Alerts on") && !gone(i) })
	end(w.engine)
	stopped := time.Now()
	d.until("the window says that the engine is gone", gone)
	if took := time.Since(stopped); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	w.screen.picture("engine-gone", goneBanner)
}
