package windows_test

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport.dev/sallyport/app/e2e/screen"
)

// point is in a dialog, in the units of dialogs/Control.idt, which knows where
// the buttons are.
type point struct{ x, y float64 }

// Dialogs of the MSI are this large, and have their buttons there.
var (
	dialogSize   = point{280, 80}
	keepButton   = point{36 + 36, 54 + 8}
	removeButton = point{116 + 36, 54 + 8}
	lastButton   = point{196 + 36, 54 + 8} // Cancel, or Close
)

// click is a click in the dialog with a title.
type click struct {
	title  string
	button point
}

// TestARemovalByTheMSIAsksAboutTheData installs and removes with dialogs, and
// clicks.
func TestARemovalByTheMSIAsksAboutTheData(t *testing.T) {
	need(t, "makensis", "wixl", "msibuild", "zip", "unzip", "Xvfb", "openbox")
	d := openDisplay(t)
	c := startOn(t, d.name)
	source, _ := pair(t, read(t, filepath.Join(c.pair, "WinDivert.dll")), read(t, filepath.Join(c.pair, "WinDivert64.sys")))
	msi := c.bring(t, pack(t, source, build(t)).msi)
	const question, done, cancelled = "Remove Sallyport TEST", "Sallyport TEST: done", "Sallyport TEST: cancelled"
	run := func(t *testing.T, what, option string, clicks ...click) (status int) {
		ended := make(chan int, 1)
		go func() {
			_, status := c.run(t, "msiexec", option, msi)
			ended <- status
		}()
		for i, click := range clicks {
			d.click(t, click, fmt.Sprintf("msi-%s-%d", what, i+1))
		}
		return <-ended
	}
	for _, test := range []struct {
		what    string
		clicks  []click
		removed bool
		kept    bool // the data
	}{
		{"cancelled", []click{{question, lastButton}, {cancelled, lastButton}}, false, true},
		{"keep", []click{{question, keepButton}, {done, lastButton}}, true, true},
		{"remove", []click{{question, removeButton}, {done, lastButton}}, true, false},
	} {
		t.Run(test.what, func(t *testing.T) {
			if c.service(t) == "" {
				if status := run(t, "install", "/i", click{done, lastButton}); status != 0 {
					t.Fatalf("the installation ended with status %d", status)
				}
			}
			c.installed(t)
			data := c.used(t)
			if status := run(t, test.what, "/x", test.clicks...); (status == 0) != test.removed {
				t.Errorf("the removal ended with status %d", status)
			}
			if test.removed {
				c.removed(t)
			} else {
				c.installed(t)
			}
			if _, err := os.Stat(data); (err == nil) != test.kept {
				t.Errorf("the data: %v", err)
			}
		})
	}
}

// display is an X server with a window manager.
type display struct {
	*screen.Screen
	name string
}

func openDisplay(t *testing.T) *display {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	server.ExtraFiles = []*os.File{in}
	begin(t, server)
	in.Close()
	number, err := bufio.NewReader(out).ReadString('\n')
	out.Close()
	if err != nil {
		t.Fatalf("start Xvfb: %v", err)
	}
	d := &display{name: ":" + strings.TrimSpace(number)}
	if d.Screen, err = screen.Join(d.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	manager := exec.Command("openbox", "--sm-disable")
	manager.Env = append(os.Environ(), "DISPLAY="+d.name)
	begin(t, manager)
	return d
}

// begin starts a process for the time of the test.
func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// click clicks until the dialog is gone: one that was just opened may not take
// the first one. It keeps a picture of the screen in build/windows.
func (d *display) click(t *testing.T, c click, picture string) {
	t.Helper()
	folder := filepath.Join(root, "build", "windows")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	there := func() (r image.Rectangle) {
		if w := d.Window(c.title); w != 0 {
			r, _ = d.Place(w) // it may be gone meanwhile
		}
		return r
	}
	var last []byte
	eventually(t, "the dialog "+c.title+" is drawn", func() bool {
		m, err := d.Look(image.Rectangle{})
		if err != nil {
			t.Fatal(err)
		}
		same := bytes.Equal(m.Pix, last)
		last = m.Pix
		return same && !there().Empty()
	})
	if err := d.Save(filepath.Join(folder, picture+".png")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dialog "+c.title+" takes a click", func() bool {
		r := there()
		if r.Empty() {
			return true
		}
		at := image.Pt(int(c.button.x/dialogSize.x*float64(r.Dx())), int(c.button.y/dialogSize.y*float64(r.Dy())))
		d.Click(r.Min.Add(at), screen.Left)
		return false
	})
}
