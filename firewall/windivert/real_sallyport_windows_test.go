package windivert

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSallyportForRealPackets is a half of TestSallyportDecidesRealPackets,
// which starts it in Wine. The events of the driver are fed by it, from what it
// knows of the programs that it starts; all else is the program's own work.
func TestSallyportForRealPackets(t *testing.T) {
	x, messages := newRealEngine(t)
	if x == nil {
		return
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	defer running.Wait()
	defer stop()
	x.leaving(ctx, &running)
	entry := x.again()
	running.Go(func() {
		for {
			var m message
			if messages.Decode(&m) != nil || m.Kind == "end" {
				return // the network is no more
			}
			entry.inject(diverted{packetAddress(m.Packet, true), m.Packet})
		}
	})
	s := newSallyport(x)
	good, bad := s.program("good.exe"), s.program("bad.exe")
	s.start()
	s.must("mode", "ask")

	s.step("a program that was never seen is asked about, and allowed")
	said := s.dial(good)
	p := s.prompt(good)
	s.answer(p, "allow")
	s.says(<-said, "welcome")
	s.step("the second time nothing is asked")
	s.says(<-s.dial(good), "welcome")
	s.asksNothing()

	s.step("another one is denied")
	said = s.dial(bad)
	s.answer(s.prompt(bad), "block")
	s.says(<-said, "refused")
	s.step("the second time nothing is asked")
	s.says(<-s.dial(bad), "refused")
	s.asksNothing()

	s.step("the engine is killed and started again")
	s.kill()
	s.start()
	s.says(<-s.dial(good), "welcome")
	s.says(<-s.dial(bad), "refused")
	s.asksNothing()

	s.step("the log has it all")
	for _, line := range []struct{ program, verdict string }{{good, "ask"}, {good, "allow"}, {bad, "ask"}, {bad, "block"}} {
		s.await("the log of "+line.program, func() bool { return strings.Contains(s.log(), line.program+" "+line.verdict+"\n") })
	}
	s.kill()
	s.await("the engine's handles to be closed", func() bool { return len(x.handles()) == 0 })
	x.say(message{Kind: "done"})
}

// sallyport is the program as it is shipped, beside the driver.
type sallyport struct {
	*realEngine
	path, folder string
	engine       *exec.Cmd
	said         bytes.Buffer // by the engine
	port         uint16       // of the last connection
}

func newSallyport(x *realEngine) *sallyport {
	self, err := os.Executable()
	if err != nil {
		x.Fatal(err)
	}
	s := &sallyport{realEngine: x, path: filepath.Join(filepath.Dir(self), "sallyport.exe"), folder: x.TempDir(), port: 41000}
	x.Cleanup(func() {
		if s.engine != nil {
			s.kill()
		}
		if x.Failed() {
			x.Logf("the engine said: %s", s.said.String())
		}
	})
	return s
}

// command is the program with the test's own pipe.
func (s *sallyport) command(args ...string) *exec.Cmd {
	return exec.Command(s.path, append([]string{"--socket", `\\.\pipe\sallyport-real-packets`}, args...)...)
}

func (s *sallyport) must(args ...string) string {
	s.Helper()
	out, err := s.command(args...).Output()
	if err != nil {
		s.Fatalf("sallyport %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (s *sallyport) start() {
	s.Helper()
	s.engine = s.command("engine", "--data", filepath.Join(s.folder, "data"))
	s.engine.Stderr = &s.said
	if err := s.engine.Start(); err != nil {
		s.Fatal(err)
	}
	s.await("the engine", func() bool { return s.command("status").Run() == nil })
}

func (s *sallyport) kill() {
	s.Helper()
	s.engine.Process.Kill()
	s.engine.Wait()
	s.engine = nil
}

// program puts a program where none has been.
func (s *sallyport) program(name string) string {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		s.Fatal(err)
	}
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, content, 0o755); err != nil {
		s.Fatal(err)
	}
	return path
}

// dial has a program connect, and tells what it says in the end.
func (s *sallyport) dial(path string) <-chan string {
	s.port++
	from := netip.AddrPortFrom(netip.MustParseAddr("10.78.0.1"), s.port)
	said := make(chan string, 1)
	go func() { said <- s.connect(path, from, netip.MustParseAddrPort("10.78.0.2:4000")) }()
	return said
}

// asked is a line of the program's list of questions.
type asked struct {
	ID, Program, Remote string
	PID                 uint32
	Port                uint16
}

func (s *sallyport) prompts() (all []asked) {
	s.Helper()
	for lines := json.NewDecoder(strings.NewReader(s.must("prompts", "--json"))); lines.More(); {
		var p asked
		if err := lines.Decode(&p); err != nil {
			s.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// prompt waits for the question about a program.
func (s *sallyport) prompt(path string) (p asked) {
	s.Helper()
	s.await("a question about "+path, func() bool {
		for _, p = range s.prompts() {
			if strings.EqualFold(p.Program, path) {
				return true
			}
		}
		return false
	})
	from := netip.AddrPortFrom(netip.MustParseAddr("10.78.0.1"), s.port)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.PID != s.owners[from] || p.Remote != "10.78.0.2" || p.Port != 4000 {
		s.Errorf("asked about %+v, want process %d", p, s.owners[from])
	}
	return p
}

func (s *sallyport) answer(p asked, verdict string) {
	s.Helper()
	s.must("answer", p.ID, verdict)
}

func (s *sallyport) asksNothing() {
	s.Helper()
	if all := s.prompts(); len(all) > 0 {
		s.Errorf("questions are open: %+v", all)
	}
}

// log is the activity log, a line with program and verdict for each entry.
func (s *sallyport) log() string {
	s.Helper()
	var text strings.Builder
	for lines := json.NewDecoder(strings.NewReader(s.must("log", "--json"))); lines.More(); {
		var l struct{ Program, Verdict string }
		if err := lines.Decode(&l); err != nil {
			s.Fatal(err)
		}
		text.WriteString(l.Program + " " + l.Verdict + "\n")
	}
	return text.String()
}

func (s *sallyport) says(got, want string) {
	s.Helper()
	if !strings.Contains(got, want) {
		s.Errorf("the program says %q, want %q", got, want)
	}
}

func (s *sallyport) step(text string) { s.say(message{Kind: "step", Text: text}) }

// await waits for what only the other process can tell.
func (s *sallyport) await(what string, condition func() bool) {
	s.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); !condition(); {
		select {
		case <-tick.C:
		case <-end:
			s.Fatalf("waited a minute for %s", what)
		}
	}
}
