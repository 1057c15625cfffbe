package netfilter_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// caller is a program on the other computer.
func (w *world) caller(commands ...string) *talker {
	w.t.Helper()
	path := w.program(fmt.Sprint("caller-", callers.Add(1)))
	enter := []string{"-t", strconv.Itoa(w.peer.cmd.Process.Pid), "-n", "--", path}
	c := exec.Command("nsenter", enter...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return w.start(func(string, ...string) *talker { return startChild[result](w.t, c, nil) }, "", commands...)
}

var callers atomic.Int32

// server is a rule for what the program accepts.
func server(id, path string, v firewall.Verdict) firewall.Rule {
	return firewall.Rule{ID: firewall.RuleID(id), Program: path, Direction: firewall.In, Verdict: v, Created: time.Now()}
}

// admit answers a question about a server for ever.
func (g *guard) admit(p firewall.Prompt, v firewall.Verdict, s firewall.AnswerScope) time.Time {
	g.w.t.Helper()
	r := p.Rule(v, s)
	r.ID = firewall.RuleID(fmt.Sprint("server-", len(g.setup.Rules)))
	g.setup.Rules = append(slices.Clone(g.setup.Rules), r)
	return g.tell(request{Do: "answer", Rules: g.setup.Rules, Answer: firewall.Answer{Prompt: p.ID, Verdict: v, Scope: s, Rule: &r.ID}}).At
}

// calledBy waits for the question about a server, and says what is wrong with it.
func (g *guard) calledBy(path, remote, local string) firewall.Prompt {
	g.w.t.Helper()
	p := g.asked(path)
	if f := p.First.Flow; p.Direction != firewall.In || f.Direction != firewall.In || f.Remote.Addr().String() != remote || f.Local.String() != local {
		g.w.t.Errorf("asked about %+v, want a call from %s to %s", f, remote, local)
	}
	return p
}

// calls counts the inbound flows of the program in the log; g.mu is held.
func (g *guard) calls(path string, v firewall.Verdict) (count int) {
	for _, e := range g.entries {
		if e.Program.Path == path && e.Direction == firewall.In && e.Verdict == v {
			count += e.Count
		}
	}
	return count
}

// logs waits until the log has so many inbound flows of the program.
func (g *guard) logs(path string, v firewall.Verdict, n int) {
	g.w.t.Helper()
	g.await(fmt.Sprintf("%d lines that %s what calls %s", n, v, path), func() bool { return g.calls(path, v) >= n })
}

// door is a way of being a server for connections.
type door struct {
	name       string
	open       []string
	call       []string
	from, here string
}

// at has the door at another port than 7300: what was closed keeps its for a while.
func (d door) at(port int) door {
	moved := func(text string) string { return strings.ReplaceAll(text, "7300", strconv.Itoa(port)) }
	d.open, d.call, d.here = slices.Clone(d.open), slices.Clone(d.call), moved(d.here)
	d.open[1], d.call[1] = moved(d.open[1]), moved(d.call[1])
	return d
}

var doors = []door{
	{"tcp4", []string{"open tcp4", "bind 10.77.0.1:7300", "listen"}, []string{"open tcp4", "connect 10.77.0.1:7300"}, "10.77.0.2", "10.77.0.1:7300"},
	{"tcp6", []string{"open tcp6", "bind [::]:7300", "listen"}, []string{"open tcp6", "connect [fd77::1]:7300"}, "fd77::2", "[fd77::1]:7300"},
	{"v4-mapped", []string{"open tcp6", "bind [::]:7300", "listen"}, []string{"open tcp4", "connect 10.77.0.1:7300"}, "10.77.0.2", "10.77.0.1:7300"},
	{"mptcp4", []string{"open mptcp4", "bind 10.77.0.1:7300", "listen"}, []string{"open mptcp4", "connect 10.77.0.1:7300"}, "10.77.0.2", "10.77.0.1:7300"},
	{"tcp4 to an mptcp server", []string{"open mptcp4", "bind 10.77.0.1:7300", "listen"}, []string{"open tcp4", "connect 10.77.0.1:7300"}, "10.77.0.2", "10.77.0.1:7300"},
}

func TestAServerIsAskedAboutOnce(t *testing.T) {
	world := newWorld(t)
	paths := make([]string, len(doors))
	for i := range doors {
		paths[i] = world.program(fmt.Sprint("allowed-", i))
	}
	older := world.start(world.talkInside, paths[1], doors[1].at(7301).open...) // than the firewall
	g := world.guard(setup{})
	for _, i := range []int{1, 0, 2, 3, 4} { // the older one first
		door := doors[i].at(7300 + i)
		t.Run(door.name, func(t *testing.T) {
			world := world.at(t, g)
			path, program := paths[i], older
			if i != 1 {
				program = world.start(world.talkInside, path, door.open...)
			}
			caller := world.caller(door.call[0])
			caller.send(t, door.call[1])
			p := g.calledBy(path, door.from, door.here)
			if !caller.silent() {
				t.Fatalf("let in before the answer: %+v", caller.next(t))
			}
			answered := g.admit(p, firewall.Allow, firewall.ScopeProgram)
			r := caller.next(t)
			if r.Error != "" {
				t.Fatalf("allowed, and yet %s", r.Error)
			}
			t.Logf("connected %v after the answer", r.Ended.Sub(answered))
			must(t, program, "accept")
			must(t, caller, "send hello")
			if r := must(t, program, "recv"); r.Text != "hello" {
				t.Errorf("received %q", r.Text)
			}
			for range 3 {
				world.caller(door.call...)
			}
			g.unasked(t)
			g.logs(path, firewall.Allow, 4)
			// What it connects to is another matter.
			client := world.start(world.talkInside, path, "open tcp4")
			client.send(t, "connect 10.77.0.2:7000")
			out := g.asked(path)
			if out.Direction != firewall.Out {
				t.Fatalf("asked about %+v", out.First.Flow)
			}
			g.once(out, firewall.Block)
			client.next(t)
			world.end(program)
			world.end(client)
		})
	}
}

func TestADeniedServerAnswersNobody(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	for i, door := range doors {
		t.Run(door.name, func(t *testing.T) {
			world := world.at(t, g)
			door := door.at(7300 + i)
			path := world.program(fmt.Sprint("denied-", i))
			program := world.start(world.talkInside, path, append(slices.Clone(door.open), "set nonblocking 1")...)
			caller := world.caller(door.call[0])
			caller.send(t, door.call[1])
			g.admit(g.calledBy(path, door.from, door.here), firewall.Block, firewall.ScopeProgram)
			g.logs(path, firewall.Block, 1)
			again := world.caller(door.call[0])
			again.send(t, door.call[1])
			g.logs(path, firewall.Block, 2)
			g.unasked(t)
			if r := do(t, program, "accept"); r.Error != "EAGAIN" {
				t.Errorf("accept says %q, want EAGAIN", r.Error)
			}
			for _, c := range []*talker{caller, again} {
				if !c.silent() {
					t.Errorf("a caller was answered: %+v", c.next(t))
				}
			}
			world.end(program)
		})
	}
}

func TestANarrowAnswerAboutAServer(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("narrow")
	world.start(world.talkInside, path, "open tcp6", "bind [::]:7320", "listen")
	world.start(world.talkInside, path, "open tcp6", "bind [::]:7321", "listen")
	caller := world.caller("open tcp4")
	caller.send(t, "connect 10.77.0.1:7320")
	g.admit(g.calledBy(path, "10.77.0.2", "10.77.0.1:7320"), firewall.Allow, firewall.ScopePort)
	if r := caller.next(t); r.Error != "" {
		t.Fatal(r.Error)
	}
	world.caller("open tcp4", "connect 10.77.0.1:7320")
	world.caller("open tcp6", "connect [fd77::1]:7320")
	g.unasked(t)
	other := world.caller("open tcp6")
	other.send(t, "connect [fd77::1]:7321")
	g.admit(g.calledBy(path, "fd77::2", "[fd77::1]:7321"), firewall.Allow, firewall.ScopeDestination)
	if r := other.next(t); r.Error != "" {
		t.Fatal(r.Error)
	}
	world.caller("open tcp6", "connect [fd77::1]:7321")
	g.unasked(t)
	fourth := world.caller("open tcp4")
	fourth.send(t, "connect 10.77.0.1:7321")
	g.once(g.calledBy(path, "10.77.0.2", "10.77.0.1:7321"), firewall.Allow)
	if r := fourth.next(t); r.Error != "" {
		t.Fatal(r.Error)
	}
}

// Who is connected stays so, whatever comes, save that a rule says otherwise.
func TestAConnectionThatIsOlderThanTheFirewallGoesOn(t *testing.T) {
	world := newWorld(t)
	path := world.program("sshd")
	listener := world.start(world.talkInside, path, "open tcp4", "bind 10.77.0.1:7330", "listen")
	session := world.caller("open tcp4", "connect 10.77.0.1:7330")
	must(t, listener, "accept")
	talks := func(when string) {
		t.Helper()
		must(t, session, "send still")
		if r := must(t, listener, "recv"); r.Text != "still" {
			t.Errorf("%s: received %q", when, r.Text)
		}
		must(t, listener, "send there")
		if r := must(t, session, "recv"); r.Text != "there" {
			t.Errorf("%s: answered %q", when, r.Text)
		}
	}
	g := world.guard(setup{})
	talks("asking")
	for _, m := range []firewall.Mode{firewall.ModeBlock, firewall.ModeAsk} {
		g.tell(request{Do: "mode", Mode: m})
		talks("mode " + m.String())
	}
	g.unasked(t)
	g.tell(request{Do: "rules", Rules: []firewall.Rule{server("no", path, firewall.Block)}})
	if r := do(t, session, "recv"); r.Error == "" && r.Text != "" {
		t.Errorf("a rule blocks, and the session says %+v", r)
	}
}

func TestServersUnderTheModes(t *testing.T) {
	world := newWorld(t)
	good, unknown := world.program("good"), world.program("unknown")
	g := world.guard(setup{Mode: firewall.ModeBlock, Rules: []firewall.Rule{server("good", good, firewall.Allow)}})
	world.start(world.talkInside, good, "open tcp4", "bind 10.77.0.1:7340", "listen")
	world.start(world.talkInside, unknown, "open tcp4", "bind 10.77.0.1:7341", "listen")
	world.caller("open tcp4", "connect 10.77.0.1:7340")
	shut := world.caller("open tcp4")
	shut.send(t, "connect 10.77.0.1:7341")
	g.logs(unknown, firewall.Block, 1)
	for _, m := range []firewall.Mode{firewall.ModeAllow, firewall.ModeOff} {
		g.tell(request{Do: "mode", Mode: m})
		world.caller("open tcp4", "connect 10.77.0.1:7341")
	}
	g.tell(request{Do: "mode", Mode: firewall.ModeLock})
	locked := world.caller("open tcp4", "set nonblocking 1")
	if r := do(t, locked, "connect 10.77.0.1:7340"); r.Error == "" {
		t.Error("connected under lock")
	}
	g.unasked(t)
}
