//go:build linux

package wine

import (
	"encoding/json"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall/windivert/windiverttest"
	"sallyport.dev/sallyport/ui"
)

// realWorld is the engine with WinDivert, over its stand-in, on a network. All
// of Wine is in the client's network namespace; what goes to the server's
// address waits for the engine, and only that.
type realWorld struct {
	*computer
	helper string // the program that is whatever else a story needs
	port   uint16 // of the latest attempt
}

func newRealWorld(t testing.TB) *realWorld {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "only root can make network namespaces")
	}
	requires(t, windiverttest.Needs...)
	w := &realWorld{computer: newComputer(t, windiverttest.NewNetwork(t)), helper: helper(t), port: 41000}
	for _, file := range []string{"WinDivert.dll", "WinDivert64.sys"} {
		copyFile(t, filepath.Join(standIns(t), file), w.programs)
	}
	w.enforce()
	carrier := w.command("wine", w.helper, "carry", "tcp", w.network.Address())
	said := &output{}
	carrier.Stderr = said
	begin(t, carrier, syscall.SIGKILL)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what carries packets said:\n%s", said)
		}
	})
	w.network.Join()
	return w
}

// enforce starts the engine as it is shipped: with WinDivert's files beside it,
// as an administrator, who everybody is in Wine.
func (w *realWorld) enforce() {
	w.t.Helper()
	w.startEngine(w.sallyport("engine", "--data", engineData))
}

// log is what the log has of connections and of changes, oldest first.
func (w *realWorld) log() (connections, changes []string) {
	w.t.Helper()
	for in := json.NewDecoder(strings.NewReader(w.ask("log", "--json"))); in.More(); {
		var l ui.LogLine
		if err := in.Decode(&l); err != nil {
			w.t.Fatalf("read the log: %v", err)
		}
		if l.Kind == "change" {
			changes = append(changes, l.Note)
		} else {
			connections = append(connections, strings.Join([]string{l.Verdict, "by", l.Reason, l.Program, l.Local}, " "))
		}
	}
	return connections, changes
}

const (
	reader   = `C:\Program Files\Reader\reader.exe`
	uploader = `C:\Users\me\Uploader\uploader.exe`
)

// atOnce is how soon a program hears of a decision that is made, on a computer
// that is busy. One that waits hears of nothing for half a minute.
const atOnce = 5 * time.Second

func TestRealPacketsOnWindows(t *testing.T) {
	w := newRealWorld(t)
	wanted := w.install(reader, color.NRGBA{R: 0x2a, G: 0x7d, B: 0xe1, A: 0xff})
	unwanted := w.install(uploader, color.NRGBA{R: 0xd6, G: 0x45, B: 0x27, A: 0xff})
	w.start()
	w.click("main", "Start asking")
	w.sees("main", "Nothing waits to be confirmed.")

	asked := wanted.dial()
	w.asks("reader.exe")
	w.sees("prompt", reader)
	w.screen.picture("real-allow")
	if n := w.network.Reached(); n != 0 {
		t.Errorf("the server was reached %d times before the answer", n)
	}
	clicked := time.Now()
	w.click("prompt", "Allow")
	if took := asked.hears(windiverttest.Welcome, clicked); took > atOnce {
		t.Errorf("connected %v after Allow", took)
	}
	w.asksNothing()

	asked = unwanted.dial()
	w.asks("uploader.exe")
	w.sees("prompt", uploader)
	w.screen.picture("real-deny")
	clicked = time.Now()
	w.click("prompt", "Deny")
	if took := asked.hears("refused", clicked); took > atOnce {
		t.Errorf("refused %v after Deny", took)
	}
	w.asksNothing()

	log := []string{
		"ask by asked " + reader + " 10.78.0.1:41001",
		"allow by rule " + reader + " 10.78.0.1:41001",
		"ask by asked " + uploader + " 10.78.0.1:41002",
		"block by rule " + uploader + " 10.78.0.1:41002",
		"allow by rule " + reader + " 10.78.0.1:41003",
		"block by rule " + uploader + " 10.78.0.1:41004",
		"allow by rule " + reader + " 10.78.0.1:41005",
		"block by rule " + uploader + " 10.78.0.1:41006",
	}
	w.decidesUnasked(wanted, unwanted)
	w.logs(log[:6]...) // what an engine has not written yet is lost when it is killed
	w.engine.end()
	w.enforce()
	w.decidesUnasked(wanted, unwanted)
	w.logs(log...)
	if n := w.network.Reached(); n != 3 {
		t.Errorf("the server was reached %d times, want 3", n)
	}
	w.open("activity")
	w.sees("main", "uploader.exe")
	w.screen.picture("real-activity")
}

// Without windows a question can be answered as well, here for one connection
// only: then the next one is asked about.
func TestRealPacketsAreAnsweredByCommandsOnWindows(t *testing.T) {
	w := newRealWorld(t)
	program := w.install(reader, color.White)
	w.ask("mode", "ask")
	for _, test := range []struct{ verdict, hears string }{{"allow", windiverttest.Welcome}, {"block", "refused"}, {"allow", windiverttest.Welcome}} {
		a := program.dial()
		q := w.question(reader)
		if q.PID != a.pid || q.Remote != windiverttest.Server.Addr().String() || q.Port != windiverttest.Server.Port() {
			t.Errorf("asked about %+v, want process %d to %v", q, a.pid, windiverttest.Server)
		}
		w.ask("answer", q.ID, test.verdict, "--for", "once")
		a.hears(test.hears, a.began)
	}
	if n := w.network.Reached(); n != 2 {
		t.Errorf("the server was reached %d times, want 2", n)
	}
}

// question waits until there is one about a program, and no other.
func (w *realWorld) question(program string) (q ui.Prompt) {
	w.t.Helper()
	poll(w.t, "a question about "+program, func() bool {
		said := w.ask("prompts", "--json")
		return json.Unmarshal([]byte(said), &q) == nil && q.State == "waiting" && strings.EqualFold(q.Program, program)
	})
	return q
}

// decidesUnasked has both connect once more.
func (w *realWorld) decidesUnasked(wanted, unwanted *client) {
	w.t.Helper()
	for _, test := range []struct {
		*client
		hears string
	}{{wanted, windiverttest.Welcome}, {unwanted, "refused"}} {
		a := test.dial()
		if took := a.hears(test.hears, a.began); took > atOnce {
			w.t.Errorf("%s hears of its decision after %v", test.path, took)
		}
		if p := w.inspect().Prompt; p != "" {
			w.t.Errorf("%s: asked again: %s", test.path, p)
		}
	}
}

// logs waits until the log has these connections, and what was answered.
func (w *realWorld) logs(want ...string) {
	w.t.Helper()
	changed := []string{"mode ask", "answer: allow " + reader, "answer: block " + uploader}
	var connections, changes []string
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the log has\n%s", strings.Join(append(connections, changes...), "\n"))
		}
	}()
	poll(w.t, "the log has each connection and answer", func() bool {
		connections, changes = w.log()
		return slices.Equal(connections, want) && slices.Equal(changes, changed)
	})
}
