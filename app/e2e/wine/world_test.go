//go:build linux

package wine

import (
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
	"sallyport.dev/sallyport/firewall/windivert/windiverttest"
)

// engineSocket is where engine and windows meet in Wine, engineData where the
// engine keeps what it is told.
const (
	engineSocket = `\\.\pipe\sallyport-e2e`
	engineData   = `C:\engine`
)

// computer is what engine and windows run on: Wine, on a screen of its own.
type computer struct {
	*wine
	screen     *display
	programs   string
	inspection string   // HOST:PORT where the windows can be inspected
	engine     *process // of the firewall
}

// newComputer has neither engine nor windows, nor data of an earlier test. Its
// network is the machine's own unless there is another.
func newComputer(t testing.TB, network *windiverttest.Network) *computer {
	t.Helper()
	c := &computer{programs: programs(t), screen: newDisplay(t), inspection: freeAddress(t)}
	c.wine = newWine(t, c.screen.name, network)
	if err := os.RemoveAll(c.file(engineData)); err != nil {
		t.Fatal(err)
	}
	return c
}

// startEngine waits until an engine runs.
func (c *computer) startEngine(cmd *exec.Cmd) {
	c.t.Helper()
	said := &output{}
	cmd.Stderr = said
	engine := begin(c.t, cmd, syscall.SIGKILL)
	c.engine = engine
	c.t.Cleanup(func() {
		if c.t.Failed() {
			c.t.Logf("the engine (%v; Wine's server: %v) said:\n%s", engine, c.server, said)
		}
	})
	poll(c.t, "the engine is running", func() bool {
		engine.mustRun("the engine")
		return strings.Contains(said.String(), "the firewall is in force")
	})
}

// world is an engine that enforces nothing, and the windows.
type world struct {
	*computer
	attempts io.Writer
	decided  *output
}

func newWorld(t testing.TB) *world {
	t.Helper()
	requires(t)
	w := &world{computer: newComputer(t, nil), decided: &output{}}
	cmd := w.sallyport("engine", "--demo", "--data", engineData)
	cmd.Stdout = w.decided
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.attempts = in
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the engine decided:\n%s", w.decided)
		}
	})
	w.startEngine(cmd)
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

func (c *computer) program(file string) string { return filepath.Join(c.programs, file) }

// sallyport is a command of ours.
func (c *computer) sallyport(args ...string) *exec.Cmd {
	return c.command("wine", append([]string{c.program("sallyport.exe"), "--socket", engineSocket}, args...)...)
}

// ask runs a command of ours and returns what it prints.
func (c *computer) ask(args ...string) string {
	c.t.Helper()
	said, err := c.finish(c.sallyport(args...))
	if err != nil {
		c.t.Fatalf("sallyport %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return said
}

// start starts the windows as a person does: it returns at once.
func (c *computer) start(args ...string) {
	c.t.Helper()
	cmd := c.sallyport(args...)
	cmd.Env = append(cmd.Env, "SALLYPORT_E2E_SOCKET="+c.inspection)
	if said, err := c.finish(cmd); err != nil {
		c.t.Fatalf("start the windows: %v\n%s", err, said)
	}
	poll(c.t, "the windows can be inspected", c.running)
}

func (c *computer) running() bool {
	conn, err := c.wine.dial(c.inspection)
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
func (c *computer) tell(answer any, words string) {
	c.t.Helper()
	conn, err := c.wine.dial(c.inspection)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, words)
	if err := json.NewDecoder(conn).Decode(answer); err != nil {
		c.t.Fatalf("%q: %v", words, err)
	}
}

func (c *computer) inspect() (i inspection) {
	c.t.Helper()
	c.tell(&i, "dump")
	return i
}

// open turns the main window to a page.
func (c *computer) open(page string) {
	c.t.Helper()
	var answer string
	c.tell(&answer, "open "+page)
}

// sees waits until a window shows a text, and returns where it is on the screen.
func (c *computer) sees(window, s string) (at image.Point) {
	c.t.Helper()
	poll(c.t, "see "+s, func() bool {
		for _, t := range c.inspect().Windows[window].Texts {
			place := c.screen.where(titles[window])
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
func (c *computer) click(window, s string) {
	c.t.Helper()
	c.screen.Click(c.sees(window, s), xscreen.Left)
}

// asks waits for a question that takes input.
func (c *computer) asks(program string) {
	c.t.Helper()
	c.sees("prompt", program+" wants to connect")
	poll(c.t, "the question takes input", func() bool { i := c.inspect(); return i.Prompt != "" && !i.Shielded })
}

// asksNothing waits until the prompt is off the screen.
func (c *computer) asksNothing() {
	c.t.Helper()
	poll(c.t, "the prompt goes", func() bool { return c.inspect().Prompt == "" && c.screen.Window(titles["prompt"]) == 0 })
}
