package netfilter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// pass gives the socket of one program to another.
func (w *world) pass(from, to *talker) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "passage")
	must(w.t, to, "take "+path)
	must(w.t, from, "give "+path)
	must(w.t, to, "take "+path)
}

// blamed is the path of the program that the log names for a remote port.
func (g *guard) blamed(t *testing.T, port uint16) (path string) {
	t.Helper()
	g.await("a line of the log", func() bool {
		for _, e := range g.entries {
			if e.Remote.Port() == port {
				path = e.Program.Path
				return true
			}
		}
		return false
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.entries {
		if e.Remote.Port() == port && e.Program.Path != path {
			t.Errorf("the log names %s and %s for port %d", path, e.Program.Path, port)
		}
	}
	return path
}

// passedOn tells whether the log says once whose hands a socket is in.
func (g *guard) passedOn(h firewall.Hands) bool {
	n := 0
	for _, e := range g.entries {
		if e.Reason == firewall.PassedOn && e.Socket == h {
			n++
		}
	}
	return n == 1
}

// A connection belongs to who opened it, whoever holds it later; who opens
// another with the same socket is another opener.
func TestASocketThatChangesHandsIsLoggedAsItsOpeners(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good := world.program("good")
	g.decide(good, firewall.Allow)
	program := world.talk(good)
	for _, command := range []string{"open udp4", "sendto 10.77.0.2:7000 x", "recv"} {
		must(t, program, command) // the kernel knows the permission
	}
	for _, test := range []struct {
		name   string
		opens  []string // by the first program
		sends  string   // by the second
		allow  string   // who of the two is allowed
		asked  string   // who is asked about; "" nobody
		port   uint16
		as     string // who the log names
		answer string // what the second program then receives
		flag   string // where it is said that the second uses what the first opened: log, prompt, or "" since nobody knows
	}{
		{"a connection that is given away", []string{"open tcp4", "connect 10.77.0.2:7000"}, "send hello", "first", "", 7000, "first", "hello", "log"},
		{"a connected datagram socket", []string{"open udp4", "connect 10.77.0.2:7160"}, "send hello", "first", "", 7160, "first", "", "log"},
		{"a connected datagram socket of an unknown program", []string{"open udp4", "connect 10.77.0.2:7161"}, "send hello", "second", "first", 7161, "first", "", "prompt"},
		{"a new socket of an allowed program", []string{"open tcp4"}, "connect 10.77.0.2:7162", "first", "second", 7162, "second", "", ""},
		{"a used datagram socket of an allowed program", []string{"open udp4", "sendto 10.77.0.2:7000 x", "recv"}, "sendto 10.77.0.2:7163 x", "first", "second", 7163, "second", "", "prompt"},
		{"a new socket of an unknown program", []string{"open udp4"}, "sendto 10.77.0.2:7164 x", "second", "", 7164, "second", "", ""},
		{"a raw socket", []string{"open raw4/17"}, "sendto 10.77.0.2:0 " + udpHeader(7165), "first", "", 7165, "first", "", "log"},
	} {
		t.Run(test.name, func(t *testing.T) {
			world := world.at(t, g)
			unknown := world.program(filepath.Base(t.Name()))
			paths := map[string]string{"first": good, "second": unknown}
			if test.allow == "second" {
				paths = map[string]string{"first": unknown, "second": good}
			}
			g.mu.Lock()
			g.entries = nil
			g.mu.Unlock()
			first, second := world.talk(paths["first"]), world.talk(paths["second"])
			for _, command := range test.opens {
				must(t, first, command)
			}
			world.pass(first, second)
			second.send(t, test.sends)
			if test.asked != "" {
				p := g.asked(paths[test.asked])
				if p.First.Remote.Port() != test.port {
					t.Errorf("asked about %v", p.First.Flow)
				}
				if seen := world.see("held"); seen["udp "+fmt.Sprint(test.port)]+seen["tcp "+fmt.Sprint(test.port)] != 0 {
					t.Error("it passed unasked")
				}
			} else {
				g.unasked(t)
			}
			hands := firewall.Hands{
				Opener: firewall.Holder{Program: paths["first"], PID: first.cmd.Process.Pid},
				User:   firewall.Holder{Program: paths["second"], PID: second.cmd.Process.Pid},
			}
			switch test.flag {
			case "log":
				g.await("a line about whose hands the socket is in", func() bool { return g.passedOn(hands) })
			case "prompt":
				if p := g.asked(paths[test.asked]); p.First.Socket != hands {
					t.Errorf("asked with a socket in the hands %+v, want %+v", p.First.Socket, hands)
				}
			default:
				if g.passedOn(hands) {
					t.Error("a socket that nobody had used is said to have been passed on")
				}
			}
			if got := g.blamed(t, test.port); got != paths[test.as] {
				t.Errorf("the log names %s, want %s", got, paths[test.as])
			}
			if test.answer != "" {
				if r := second.next(t); r.Error != "" {
					t.Errorf("%s: %s", r.Command, r.Error)
				}
				if r := must(t, second, "recv"); r.Text != test.answer {
					t.Errorf("it receives %q", r.Text)
				}
			}
			if test.asked != "" {
				g.once(g.asked(paths[test.asked]), firewall.Block)
			}
		})
	}
}

func TestAProgramThatBecomesAnotherKeepsOnlyItsConnection(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, other := world.program("good"), world.program("other")
	g.decide(good, firewall.Allow)
	program := world.talk(good)
	must(t, program, "open tcp4")
	must(t, program, "connect 10.77.0.2:7000")
	must(t, program, "exec "+other) // the new program says that it adopted the socket
	must(t, program, "send hello")
	if r := must(t, program, "recv"); r.Text != "hello" {
		t.Errorf("over the connection of before comes %q", r.Text)
	}
	if got := g.blamed(t, 7000); got != good {
		t.Errorf("the log names %s, want %s, which opened it", got, good)
	}
	pid := program.cmd.Process.Pid
	hands := firewall.Hands{Opener: firewall.Holder{Program: good, PID: pid}, User: firewall.Holder{Program: other, PID: pid}}
	g.await("a line about whose hands the socket is in", func() bool { return g.passedOn(hands) })
	must(t, program, "disconnect")
	program.send(t, "connect 10.77.0.2:7000")
	g.once(g.asked(other), firewall.Block)
	if r := program.next(t); r.Error == "" {
		t.Error("blocked, but it connected with the socket of before")
	}
}

func TestAProgramThatIsNoFileIsAskedAboutAsSuch(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good := world.program("good")
	g.decide(good, firewall.Allow)
	program := world.talk(good)
	must(t, program, "vanish "+good) // what it became says that it is there
	must(t, program, "open udp4")
	must(t, program, "sendto 10.77.0.2:7000 x")
	g.await("a question", func() bool { return len(g.prompts) == 1 })
	if p := g.prompts[0].Program; p.Kind != firewall.Foreign || p.Why != "not a file on disk" || p.ID() == good {
		t.Errorf("the program counts as %+v", p)
	}
	if seen := world.see("held")["udp 7000"]; seen != 0 {
		t.Errorf("%d datagrams passed unasked", seen)
	}
}

func TestAHardLinkIsAnotherProgram(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, link := world.program("good"), filepath.Join(world.dir, "link")
	g.decide(good, firewall.Allow)
	if got := world.tries(good); got != "" {
		t.Fatal(got)
	}
	if err := os.Link(good, link); err != nil {
		t.Fatal(err)
	}
	program := world.talk(link)
	must(t, program, "open tcp4")
	program.send(t, "connect 10.77.0.2:7000")
	g.once(g.asked(link), firewall.Block)
	if r := program.next(t); r.Error == "" {
		t.Error("blocked, but it connected")
	}
}

// A socket of this network namespace, used from another one.
func TestASocketGivenToAnotherNamespaceIsJudged(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, contained := world.program("good"), world.program("contained")
	g.decide(good, firewall.Allow)
	giver := world.talk(good)
	must(t, giver, "open tcp4")
	taker := startChild[result](t, world.inside("unshare", "-n", contained), nil)
	world.pass(giver, taker)
	taker.send(t, "connect 10.77.0.2:7000")
	g.once(g.asked(contained), firewall.Block)
	if r := taker.next(t); r.Error == "" {
		t.Error("blocked, but it connected")
	}
}

// What comes from outside opens a way back for the socket that it reached, to
// where it came from, and no other.
func TestAnAnswerToTheOutsideOpensNoOtherWay(t *testing.T) {
	world := newWorld(t)
	path := world.program("server")
	g := world.guard(setup{Rules: []firewall.Rule{server("server", path, firewall.Allow)}})
	datagrams := world.start(world.talkInside, path, "open udp4", "bind 10.77.0.1:7170")
	stream := world.start(world.talkInside, path, "open tcp4", "bind 10.77.0.1:7170", "listen")
	// The first datagram is what the kernel side knows the server by.
	world.caller("open udp4", "sendto 10.77.0.1:7170 first")
	g.logs(path, firewall.Allow, 1)
	for _, command := range []string{"throw 10.77.0.2:7171 10.77.0.1:7170", "open 10.77.0.2:7171 10.77.0.1:7170"} {
		world.peer.send(t, command)
		world.peer.next(t)
	}
	must(t, datagrams, "recv")
	must(t, datagrams, "sendto 10.77.0.2:7171 answer")
	must(t, stream, "accept")
	must(t, stream, "send answer")
	g.unasked(t)
	if seen := world.see("answered"); seen["udp 7171"] != 1 || seen["segment 7171"] < 2 {
		t.Errorf("the answers did not arrive: %v", seen)
	}
	other := world.start(world.talkInside, path, "open udp4")
	must(t, other, "sendto 10.77.0.2:7171 x")
	must(t, datagrams, "sendto 10.77.0.2:7172 x")
	must(t, stream, "disconnect")
	stream.send(t, "connect 10.77.0.2:7171")
	g.await("a question about three flows", func() bool { return len(g.prompts) == 1 && g.prompts[0].Others == 2 })
	if seen := world.see("held"); seen["udp 7171"] != 1 || seen["udp 7172"] != 0 || seen["tcp 7171"] != 0 {
		t.Errorf("packets passed unasked: %v", seen)
	}
}

// A permission for one destination is none for the next of the same socket.
func TestASocketTurnedElsewhereIsJudgedAgain(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("narrow")
	g.rule(path, firewall.Allow)
	g.setup.Rules[0].Port = 7000
	g.tell(request{Do: "rules", Rules: g.setup.Rules})
	program := world.start(world.talkInside, path, "open udp4", "connect 10.77.0.2:7000", "send hello", "recv", "disconnect", "connect 10.77.0.2:7180", "send x")
	p := g.asked(path)
	if p.First.Remote.Port() != 7180 {
		t.Errorf("asked about %v", p.First.Flow)
	}
	must(t, program, "sendto 10.77.0.2:7000 hello")
	must(t, program, "sendto 10.77.0.2:7181 x")
	if seen := world.see("held"); seen["udp 7180"]+seen["udp 7181"] != 0 || seen["udp 7000"] != 2 {
		t.Errorf("the peer saw %v, want what was allowed and nothing else", seen)
	}
}
