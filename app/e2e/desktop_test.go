//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"image"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
)

// inspection is what the program says of its windows.
type inspection struct {
	Prompt   string
	Shielded bool
	Windows  map[string]struct {
		XID   xproto.Window
		Texts []text
	}
}

// text is a text in a window, in pixels of the window.
type text struct {
	Text       string
	X, Y, W, H int
}

// reads tells whether a window shows a text that contains s.
func (i inspection) reads(window, s string) bool {
	return slices.ContainsFunc(i.Windows[window].Texts, func(t text) bool { return strings.Contains(t.Text, s) })
}

// count is how often a text stands in the main window.
func (i inspection) count(s string) (n int) {
	for _, t := range i.Windows["main"].Texts {
		if t.Text == s {
			n++
		}
	}
	return n
}

// desktop is the desktop program.
type desktop struct {
	installed
	t      testing.TB
	screen *screen
	socket string // for inspection
	env    []string
	args   []string
	cmd    *exec.Cmd
}

// startDesktop starts the desktop program on a screen and waits for its main
// window, which opens at start because there is no tray.
func startDesktop(t testing.TB, s *screen, p installed, engine string, env ...string) *desktop {
	t.Helper()
	d := launch(t, s, p, []string{"--socket", engine}, env...)
	d.until("the main window has content", func(i inspection) bool { return len(i.Windows["main"].Texts) > 0 })
	return d
}

// launch starts the desktop program with arguments.
func launch(t testing.TB, s *screen, p installed, args []string, env ...string) *desktop {
	t.Helper()
	d := &desktop{installed: p, t: t, screen: s, socket: filepath.Join(p.home, "inspect.sock"), args: args}
	d.env = append([]string{
		"DISPLAY=" + s.name, "WAYLAND_DISPLAY=", "HOME=" + p.home, "XDG_RUNTIME_DIR=" + p.home, "XDG_CONFIG_HOME=" + p.home,
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + filepath.Join(p.home, "no-bus"), "SALLYPORT_E2E_SOCKET=" + d.socket, "LANG=en_US.UTF-8",
	}, env...)
	d.cmd = p.asPerson(d.env, p.binary, d.args...)
	begin(t, "desktop", "", d.cmd)
	d.listens()
	return d
}

// listens waits until the program can be inspected.
func (d *desktop) listens() {
	d.t.Helper()
	poll(d.t, "the desktop program listens", func() bool {
		conn, err := net.Dial("unix", d.socket)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// again starts the program once more, as a person does who does not see it.
func (d *desktop) again() {
	d.t.Helper()
	if out, err := d.asPerson(d.env, d.binary, d.args...).CombinedOutput(); err != nil {
		d.t.Fatalf("the second start: %v: %s", err, out)
	}
}

// command gives one command to the program and decodes what it answers.
func (d *desktop) command(answer any, words ...string) {
	d.t.Helper()
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, strings.Join(words, " "))
	if err := json.NewDecoder(conn).Decode(answer); err != nil {
		d.t.Fatalf("%q: %v", words, err)
	}
}

func (d *desktop) inspect() (i inspection) {
	d.t.Helper()
	d.command(&i, "dump")
	return i
}

func (d *desktop) until(what string, holds func(inspection) bool) (i inspection) {
	d.t.Helper()
	poll(d.t, what, func() bool { i = d.inspect(); return holds(i) })
	return i
}

// sees waits until a window shows a text.
func (d *desktop) sees(window, s string) {
	d.t.Helper()
	d.until("see "+s, func(i inspection) bool { return i.reads(window, s) })
}

func (d *desktop) waitForPrompt() inspection {
	d.t.Helper()
	return d.until("the prompt is shown", func(i inspection) bool { return i.Prompt != "" && i.Windows["prompt"].XID != 0 })
}

func (d *desktop) waitForNone() {
	d.t.Helper()
	d.until("the prompt goes", func(i inspection) bool { return i.Prompt == "" })
}

// takesInput waits until a question takes clicks and keys.
func (d *desktop) takesInput(prompt string) inspection {
	d.t.Helper()
	return d.until("the prompt takes input", func(i inspection) bool { return i.Prompt == prompt && !i.Shielded })
}

// answer clicks on Allow or Deny, once the question takes clicks. It returns
// when that was.
func (d *desktop) answer(asked inspection, button string) time.Time {
	d.t.Helper()
	d.takesInput(asked.Prompt)
	d.click("prompt", button)
	return time.Now()
}

// click clicks on a text of a window: the last one that begins so.
func (d *desktop) click(window, s string) {
	d.t.Helper()
	d.screen.Click(d.find(window, s), xscreen.Left)
}

// secondary opens the menu of what a text stands on.
func (d *desktop) secondary(window, s string) {
	d.t.Helper()
	d.screen.Click(d.find(window, s), xscreen.Right)
}

// find is where a text is on the screen.
func (d *desktop) find(window, s string) (at image.Point) {
	d.t.Helper()
	d.until("find "+s, func(i inspection) bool {
		for _, t := range i.Windows[window].Texts {
			if strings.HasPrefix(t.Text, s) {
				at = d.screen.place(i.Windows[window].XID).Min.Add(image.Pt(t.X+min(t.W, 40)/2, t.Y+t.H/2))
			}
		}
		return at != image.Point{}
	})
	return at
}

// ended tells whether the program has.
func (d *desktop) ended() bool {
	conn, err := net.Dial("unix", d.socket)
	if err == nil {
		conn.Close()
	}
	return err != nil
}
