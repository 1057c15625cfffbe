//go:build linux

package e2e

import (
	"image"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
	"sallyport.dev/sallyport/firewall"
)

// Wayland lets no program place its windows: the prompt is an X window there,
// and Weston, unlike larger desktops, puts it where it likes. The compositor
// itself is a window of Xvfb, so that the click goes through it.
func TestThePromptUnderWayland(t *testing.T) {
	need(t, "weston", "Xwayland")
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	s := newScreen(t, 1280, 800)
	s.Point(image.Pt(1270, 795)) // the compositor learns of a pointer that enters it
	log := filepath.Join(p.home, "weston.log")
	begin(t, "compositor", "", p.asPerson([]string{"DISPLAY=" + s.name, "HOME=" + p.home, "XDG_RUNTIME_DIR=" + p.home}, "weston",
		"--backend=x11-backend.so", "--use-pixman", "--xwayland", "--width=1240", "--height=780", "--socket=way", "--idle-time=0", "--no-config", "--log="+log))
	var inner string
	poll(t, "the compositor runs", func() bool {
		said, _ := os.ReadFile(log)
		m := regexp.MustCompile(`xserver listening on display (:\d+)`).FindSubmatch(said)
		if m == nil {
			return false
		}
		inner = string(m[1])
		return true
	})
	d := startDesktop(t, &screen{t: t, name: inner}, p.installed, p.socket, "WAYLAND_DISPLAY=way")
	p.dial("/usr/bin/first")
	prompt := d.waitForPrompt()
	s.picture("prompt-wayland", sight{color: allowButton.color})
	d.takesInput(prompt.Prompt)
	button, err := s.Find(allowButton.color, image.Rectangle{})
	if err != nil {
		t.Fatal(err)
	}
	// The first click may only tell the compositor where the pointer is.
	var clicked time.Time
	poll(t, "the question is answered", func() bool {
		if time.Since(clicked) > time.Second {
			clicked = time.Now()
			s.Click(button.Min.Add(button.Size().Div(2)), xscreen.Left)
		}
		return d.inspect().Prompt == ""
	})
	p.decided("/usr/bin/first", "allow", 1)
}
