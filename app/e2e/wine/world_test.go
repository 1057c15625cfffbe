//go:build linux

package wine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
)

// engineSocket is where engine and windows meet in Wine.
const engineSocket = `\\.\pipe\sallyport-e2e`

// world is an engine that enforces nothing, and the windows, in Wine on a
// screen of their own.
type world struct {
	*wine
	screen     *display
	programs   string
	attempts   io.Writer
	decided    *output
	inspection string // HOST:PORT where the windows can be inspected
}

func newWorld(t testing.TB) *world {
	t.Helper()
	for _, tool := range []string{"wine", "Xvfb", "openbox", "x86_64-w64-mingw32-gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "%s is not installed", tool)
		}
	}
	w := &world{programs: programs(t), screen: newDisplay(t), decided: &output{}}
	w.wine = newWine(t, w.screen.name)
	w.inspection = freeAddress(t)

	if err := os.RemoveAll(filepath.Join(w.prefix, "drive_c/engine")); err != nil { // of an earlier test
		t.Fatal(err)
	}
	engine := w.command("wine", w.program("sallyport.exe"), "engine", "--demo", "--data", `C:\engine`, "--socket", engineSocket)
	said := &output{}
	engine.Stdout, engine.Stderr = w.decided, said
	in, err := engine.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.attempts = in
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { engine.Wait(); close(ended) }()
	t.Cleanup(func() {
		w.endAll()
		<-ended
		if t.Failed() {
			t.Logf("the engine said:\n%s%s", said, w.decided)
		}
	})
	poll(t, "the engine is running", func() bool {
		select {
		case <-ended:
			t.Fatalf("the engine ended:\n%s", said)
		default:
		}
		return strings.Contains(said.String(), "the firewall is in force")
	})
	return w
}

// freeAddress is an address where nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *world) program(file string) string { return filepath.Join(w.programs, file) }

// start starts the windows as a person does: it returns at once.
func (w *world) start(args ...string) {
	w.t.Helper()
	cmd := w.command("wine", append([]string{w.program("sallyport.exe"), "--socket", engineSocket}, args...)...)
	cmd.Env = append(cmd.Env, "SALLYPORT_E2E_SOCKET="+w.inspection)
	if said, err := w.finish(cmd); err != nil {
		w.t.Fatalf("start the windows: %v\n%s", err, said)
	}
	poll(w.t, "the windows can be inspected", w.running)
}

func (w *world) running() bool {
	conn, err := net.Dial("tcp", w.inspection)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// dial has a program try to connect; the folder of a program must have no space.
func (w *world) dial(program, remote string) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.attempts, "dial %s %s 4242 example.org\n", program, remote); err != nil {
		w.t.Fatal(err)
	}
}

// decides waits until the engine has decided on a program so many times.
func (w *world) decides(verdict, program string, times int) {
	w.t.Helper()
	poll(w.t, verdict+" "+program, func() bool { return strings.Count(w.decided.String(), verdict+" "+program+" ") == times })
}

// inspection is what the program says of its windows.
type inspection struct {
	Prompt   string
	Shielded bool
	Windows  map[string]struct{ Texts []text }
}

// text is a text in a window, in pixels of the window.
type text struct {
	Text       string
	X, Y, W, H int
}

// titles are what the system calls the windows.
var titles = map[string]string{"main": "Sallyport", "prompt": "Sallyport asks"}

// command gives one command to the windows and decodes what they answer.
func (w *world) tell(answer any, words string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.inspection)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, words)
	if err := json.NewDecoder(conn).Decode(answer); err != nil {
		w.t.Fatalf("%q: %v", words, err)
	}
}

func (w *world) inspect() (i inspection) {
	w.t.Helper()
	w.tell(&i, "dump")
	return i
}

// open turns the main window to a page.
func (w *world) open(page string) {
	w.t.Helper()
	var answer string
	w.tell(&answer, "open "+page)
}

// sees waits until a window shows a text, and returns where it is on the screen.
func (w *world) sees(window, s string) (at image.Point) {
	w.t.Helper()
	poll(w.t, "see "+s, func() bool {
		for _, t := range w.inspect().Windows[window].Texts {
			place := w.screen.where(titles[window])
			if strings.HasPrefix(t.Text, s) && !place.Empty() {
				at = place.Min.Add(image.Pt(t.X+min(t.W, 40)/2, t.Y+t.H/2))
				return true
			}
		}
		return false
	})
	return at
}

// click clicks on a text of a window.
func (w *world) click(window, s string) {
	w.t.Helper()
	w.screen.Click(w.sees(window, s), xscreen.Left)
}

// asks waits for a question that takes input.
func (w *world) asks(program string) {
	w.t.Helper()
	w.sees("prompt", program+" wants to connect")
	poll(w.t, "the question takes input", func() bool { i := w.inspect(); return i.Prompt != "" && !i.Shielded })
}

// asksNothing waits until the prompt is off the screen.
func (w *world) asksNothing() {
	w.t.Helper()
	poll(w.t, "the prompt goes", func() bool { return w.inspect().Prompt == "" && w.screen.Window(titles["prompt"]) == 0 })
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
