//go:build linux

// Package e2e tests the whole program as a person meets it: a real engine that
// holds real traffic in namespaces of its own, real windows under Xvfb, and
// clicks through the X server. Pictures are left in build/e2e.
package e2e

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// visiblePatience is how soon a held connection must raise the prompt.
const visiblePatience = 300 * time.Millisecond

// What is drawn, on a screen of 1280 by 800 pixels, once a picture is worth
// taking.
var (
	allowButton = sight{image.Rect(1060, 600, 1260, 790), color.NRGBA{0x23, 0x91, 0x5b, 255}}
	allowedPill = sight{image.Rect(980, 300, 1070, 480), color.NRGBA{0x14, 0x37, 0x2a, 255}}
	blockedPill = sight{image.Rect(980, 300, 1070, 480), color.NRGBA{0x43, 0x20, 0x2a, 255}}
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
	r := newRig(t, "allow")
	d := r.desktop()
	curl := r.curl()
	prompt := d.waitForPrompt()
	t.Logf("curl started → prompt visible: %v, the window was made for it", d.mappedAt().Sub(curl.started).Round(time.Millisecond))
	r.screen.picture("prompt-allow", allowButton)
	if curl.ended() {
		t.Fatalf("the connection was not held: %s", curl.output())
	}
	clicked := d.click(prompt, "allow")
	if out := curl.wait(); !strings.Contains(out, serverSays) {
		t.Errorf("curl got %q, want %q", out, serverSays)
	}
	t.Logf("click → answered, connected and read: %v", time.Since(clicked).Round(time.Millisecond))
	d.until("the prompt goes", func(i inspection) bool { return i.Prompt == "" })
	d.open("activity")
	d.until("the log shows the connection", func(i inspection) bool {
		return slices.Contains(i.Main, "curl") && count(i.Main, "Allowed") == 2
	})
	r.screen.picture("log-allow", allowedPill)

	again := r.curl()
	if out := again.wait(); !strings.Contains(out, serverSays) {
		t.Errorf("the second time curl got %q", out)
	}
	if i := d.inspect(); i.Prompt != "" {
		t.Error("asked twice")
	}
}

// Other work on the machine can hold up any one prompt, so the fastest of a
// few programs counts. Starting curl is included.
func TestThePromptIsVisibleAtOnce(t *testing.T) {
	r := newRig(t, "fast")
	d := r.desktop()
	fastest := time.Hour
	for i := range 4 {
		for len(r.screen.maps) > 0 {
			<-r.screen.maps
		}
		curl := r.curlNamed(fmt.Sprintf("curl-%d", i))
		prompt := d.waitForPrompt()
		visible := d.mappedAt().Sub(curl.started)
		t.Logf("%d: curl started → prompt visible: %v", i, visible.Round(time.Millisecond))
		fastest = min(fastest, visible)
		d.click(prompt, "allow")
		if out := curl.wait(); !strings.Contains(out, serverSays) {
			t.Errorf("curl got %q, want %q", out, serverSays)
		}
		d.until("the prompt goes", func(i inspection) bool { return i.Prompt == "" })
	}
	if fastest > visiblePatience {
		t.Errorf("the prompt was visible after %v at best, want at most %v", fastest, visiblePatience)
	}
}

func TestDenyEndsAHeldConnectionAtOnce(t *testing.T) {
	r := newRig(t, "deny")
	d := r.desktop()
	curl := r.curl()
	prompt := d.waitForPrompt()
	r.screen.picture("prompt-deny", allowButton)
	clicked := d.click(prompt, "deny")
	out := curl.wait()
	t.Logf("click → curl failed: %v", time.Since(clicked).Round(time.Millisecond))
	if strings.Contains(out, serverSays) {
		t.Error("curl got through")
	}
	if curl.code() != curlFailedToConnect {
		t.Errorf("curl ended with %d, want %d: %s", curl.code(), curlFailedToConnect, out)
	}
	d.open("activity")
	d.until("the log shows the connection", func(i inspection) bool {
		return slices.Contains(i.Main, "curl") && count(i.Main, "Blocked") == 2
	})
	r.screen.picture("log-deny", blockedPill)
}

func TestEngineGoneIsShownWithinTwoSeconds(t *testing.T) {
	r := newRig(t, "gone")
	d := r.desktop()
	d.open("activity")
	gone := func(i inspection) bool {
		return slices.ContainsFunc(i.Main, func(s string) bool { return strings.Contains(s, "does not answer") })
	}
	d.until("the window is live", func(i inspection) bool { return len(i.Main) > 0 && !gone(i) })
	stopped := time.Now()
	r.stopEngine()
	d.until("the window says that the engine is gone", gone)
	if took := time.Since(stopped); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	r.screen.picture("engine-gone", goneBanner)
}

// count is how often a text is written: once above the figures, and once for
// each line of the log.
func count(texts []string, text string) (n int) {
	for _, s := range texts {
		if s == text {
			n++
		}
	}
	return n
}

// pictures is the folder for a test's pictures.
func pictures(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "build", "e2e")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// missing leaves a test out, and says why; where nothing may be left out, it
// fails instead.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
