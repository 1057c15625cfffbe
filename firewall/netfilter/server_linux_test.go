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

// A datagram is not let in while it is asked about: who sent it sends it again.
func TestAServerOfDatagramsIsAskedAboutOnce(t *testing.T) {
	for i, door := range []struct{ name, kind, bind, call, to, from, here string }{
		{"udp4", "udp4", "10.77.0.1:7300", "udp4", "10.77.0.1:7300", "10.77.0.2", "10.77.0.1:7300"},
		{"udp6", "udp6", "[::]:7300", "udp6", "[fd77::1]:7300", "fd77::2", "[fd77::1]:7300"},
		{"v4-mapped", "udp6", "[::]:7300", "udp4", "10.77.0.1:7300", "10.77.0.2", "10.77.0.1:7300"},
		{"udplite4", "udplite4", "10.77.0.1:7300", "udplite4", "10.77.0.1:7300", "10.77.0.2", "10.77.0.1:7300"},
	} {
		for _, verdict := range []firewall.Verdict{firewall.Allow, firewall.Block} {
			t.Run(door.name+" "+verdict.String(), func(t *testing.T) {
				world := newWorld(t)
				path := world.program("server")
				program := world.start(world.talkInside, path, "open "+door.kind, "bind "+door.bind)
				if i%2 == 1 {
					world.end(program)
				}
				g := world.guard(setup{})
				if i%2 == 1 { // the others are older than the firewall
					program = world.start(world.talkInside, path, "open "+door.kind, "bind "+door.bind)
				}
				caller := world.caller("open "+door.call, "sendto "+door.to+" first")
				p := g.calledBy(path, door.from, door.here)
				must(t, caller, "sendto "+door.to+" second")
				g.admit(p, verdict, firewall.ScopeProgram)
				await(t, "the kernel to decide a datagram by itself", func() bool {
					must(t, caller, "sendto "+door.to+" third")
					g.mu.Lock()
					defer g.mu.Unlock()
					return g.calls(path, verdict) >= 2
				})
				if verdict == firewall.Allow {
					if r := must(t, program, "recv"); r.Text != "third" {
						t.Errorf("received %q, want what was sent after the answer", r.Text)
					}
					from := localPort(t, caller)
					must(t, program, fmt.Sprintf("sendto %s:%s answer", bracketed(door.from, door.kind), from))
					if r := must(t, caller, "recv"); r.Text != "answer" {
						t.Errorf("the answer is %q", r.Text)
					}
				} else {
					must(t, program, "set nonblocking 1")
					if r := do(t, program, "recv"); r.Error != "EAGAIN" {
						t.Errorf("received %q (%s), want nothing", r.Text, r.Error)
					}
				}
				g.unasked(t)
			})
		}
	}
}

// localPort is the port that the talker's socket is bound to.
func localPort(t *testing.T, c *talker) string {
	t.Helper()
	text := must(t, c, "name").Text
	return text[strings.LastIndex(text, ":")+1:]
}

func bracketed(addr, kind string) string {
	switch {
	case strings.Contains(addr, ":"):
		return "[" + addr + "]"
	case strings.HasSuffix(kind, "6"):
		return "[::ffff:" + addr + "]"
	}
	return addr
}

// What answers a program's own datagrams is not a call, whoever else it has
// sent to meanwhile.
func TestRepliesAreNotAskedAbout(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("client")
	g.decide(path, firewall.Allow)
	slow := world.caller("open udp4", "bind 10.77.0.2:7310")
	later := world.caller("open udp4", "bind 10.77.0.2:7311")
	client := world.start(world.talkInside, path, "open udp4", "bind 10.77.0.1:7312",
		"sendto 10.77.0.2:7310 a", "sendto 10.77.0.2:7311 b", "sendto 10.77.0.2:7000 c")
	if r := must(t, client, "recv"); r.Text != "c" {
		t.Errorf("the echo is %q", r.Text)
	}
	for _, c := range []*talker{slow, later, slow} {
		must(t, c, "sendto 10.77.0.1:7312 reply")
		if r := must(t, client, "recv"); r.Text != "reply" {
			t.Errorf("the reply is %q", r.Text)
		}
	}
	g.unasked(t)
	// From another port of the same computer it is a call.
	world.caller("open udp4", "bind 10.77.0.2:7313", "sendto 10.77.0.1:7312 call")
	g.calledBy(path, "10.77.0.2", "10.77.0.1:7312")
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

// While no engine runs, who was decided stays so; who was not is not let in, or
// is, as the person chose.
func TestServersWhileNoEngineRuns(t *testing.T) {
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprint("fail open ", open), func(t *testing.T) {
			world := newWorld(t)
			good, bad, unknown := world.program("good"), world.program("bad"), world.program("unknown")
			g := world.guard(setup{FailOpen: open, Rules: []firewall.Rule{server("good", good, firewall.Allow), server("bad", bad, firewall.Block)}})
			servers := make(map[string]*talker)
			for i, path := range []string{good, bad, unknown} {
				servers[path+" tcp"] = world.start(world.talkInside, path, "open tcp4", fmt.Sprint("bind 10.77.0.1:", 7350+i), "listen", "set nonblocking 1")
				servers[path+" udp"] = world.start(world.talkInside, path, "open udp4", fmt.Sprint("bind 10.77.0.1:", 7350+i), "set nonblocking 1")
			}
			// Known to the kernel.
			world.caller("open tcp4", "connect 10.77.0.1:7350", "close", "open udp4", "sendto 10.77.0.1:7350 a")
			world.caller("open udp4", "sendto 10.77.0.1:7351 a")
			knock := world.caller("open tcp4")
			knock.send(t, "connect 10.77.0.1:7351")
			g.logs(bad, firewall.Block, 2)
			g.logs(good, firewall.Allow, 2)
			must(t, servers[good+" tcp"], "accept")
			g.kill()
			await(t, "the kernel to find that the engine is gone", func() bool {
				world.caller("open udp4", "sendto 10.77.0.1:7352 b")
				r := do(t, servers[unknown+" udp"], "recv")
				return open == (r.Error == "") || !open
			})
			world.caller("open tcp4", "connect 10.77.0.1:7350")
			caller := world.caller("open udp4", "sendto 10.77.0.1:7350 b", "sendto 10.77.0.1:7351 b")
			world.see("sent")
			if r := do(t, servers[good+" udp"], "recv"); r.Error != "" {
				t.Errorf("the allowed server of datagrams: %s", r.Error)
			}
			if r := do(t, servers[bad+" udp"], "recv"); r.Error != "EAGAIN" {
				t.Errorf("the blocked server of datagrams received %q (%s)", r.Text, r.Error)
			}
			must(t, caller, "close")
			tries := world.caller("open tcp4", "set nonblocking 1")
			do(t, tries, "connect 10.77.0.1:7352")
			if open {
				await(t, "the connection", func() bool { return do(t, servers[unknown+" tcp"], "accept").Error == "" })
				return
			}
			// What arrives later shows that the earlier would have arrived.
			world.caller("open tcp4", "connect 10.77.0.1:7350")
			if r := do(t, servers[unknown+" tcp"], "accept"); r.Error != "EAGAIN" {
				t.Errorf("an unknown server was called: %+v", r)
			}
			if r := do(t, servers[unknown+" udp"], "recv"); r.Error != "EAGAIN" {
				t.Errorf("an unknown server of datagrams received %q (%s)", r.Text, r.Error)
			}
		})
	}
}

// A connection that carries something with its first segment is not let in
// before the answer either.
func TestWhatAFastOpenCarriesWaitsForTheAnswer(t *testing.T) {
	world := newWorld(t)
	allow := func(number string) string { return "echo " + number + " > /proc/sys/net/ipv4/tcp_fastopen" }
	world.mustRun(world.outside("sh", "-c", allow("0x603"))) // every server, without a cookie
	world.mustRun(exec.Command("nsenter", "-t", strconv.Itoa(world.peer.cmd.Process.Pid), "-n", "--", "sh", "-c", allow("0x5")))
	call := []string{"open tcp4", "set fastopen 1", "set nonblocking 1"}
	listen := []string{"open tcp4", "bind 10.77.0.1:7360", "listen", "set nonblocking 1"}
	program := world.start(world.talkInside, world.program("free"), listen...)
	caller := world.caller(call...)
	do(t, caller, "connect 10.77.0.1:7360")
	must(t, caller, "send hello")
	await(t, "the connection without a firewall", func() bool { return do(t, program, "accept").Error == "" })
	world.end(program)
	world.end(caller)

	g := world.guard(setup{})
	path := world.program("server")
	listen[1] = "bind 10.77.0.1:7361"
	program = world.start(world.talkInside, path, listen...)
	caller = world.caller(call...)
	do(t, caller, "connect 10.77.0.1:7361")
	do(t, caller, "send hello")
	p := g.calledBy(path, "10.77.0.2", "10.77.0.1:7361")
	if r := do(t, program, "accept"); r.Error != "EAGAIN" {
		t.Errorf("let in before the answer: %+v", r)
	}
	g.admit(p, firewall.Allow, firewall.ScopeProgram)
	await(t, "the connection", func() bool { return do(t, program, "accept").Error == "" })
	await(t, "what it carried", func() bool { return do(t, program, "recv").Text == "hello" })
}
