package netfilter_test

import (
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Nobody is there to end mode off: the kernel does.
func TestOffEndsThoughItsEngineWasKilled(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, bad := world.program("good"), world.program("bad")
	g.decide(good, firewall.Allow)
	g.decide(bad, firewall.Block)
	g.tell(request{Do: "mode", Mode: firewall.ModeOff, Until: time.Now().Add(time.Hour)})
	if got := world.tries(bad); got != "" {
		t.Errorf("while off, a blocked program says %q", got)
	}
	g.tell(request{Do: "mode", Mode: firewall.ModeOff, Until: time.Now().Add(2 * time.Second)})
	g.kill()
	for end := time.Now().Add(deadline); ; {
		got := world.tries(bad)
		if got == "EPERM" {
			break
		}
		if got != "" || time.Now().After(end) {
			t.Fatalf("after the end of off, a blocked program says %q, want EPERM", got)
		}
	}
	if got := world.tries(good); got != "" {
		t.Errorf("after the end of off, an allowed program says %q", got)
	}
}

func TestWhatRulesLetPassTheLockPassesAndNothingElse(t *testing.T) {
	world := newWorld(t)
	alarm, narrow, good, unknown := world.program("alarm"), world.program("narrow"), world.program("good"), world.program("unknown")
	g := world.guard(setup{Rules: []firewall.Rule{
		{ID: "alarm", Program: alarm, Verdict: firewall.Allow, PassLock: true},
		{ID: "narrow", Program: narrow, Verdict: firewall.Allow, Protocol: firewall.TCP, Port: 7000, PassLock: true},
		{ID: "good", Program: good, Verdict: firewall.Allow},
	}})
	tcp := []string{"open tcp4", "connect 10.77.0.2:7000"}
	open := world.start(world.talkInside, alarm, tcp...)
	datagrams := world.start(world.talkInside, alarm, "open udp4", "connect 10.77.0.2:7000")
	other := world.start(world.talkInside, good, tcp...)
	hearer := world.start(world.talkInside, alarm, "open udp4", "bind 10.77.0.1:7150")
	world.tries(good) // the kernel knows it now

	g.tell(request{Do: "mode", Mode: firewall.ModeLock})
	for name, program := range map[string]*talker{"a connection": open, "a datagram socket": datagrams} {
		must(t, program, "send hello")
		if r := must(t, program, "recv"); r.Text != "hello" {
			t.Errorf("locked, %s of a program that passes gives %q", name, r.Text)
		}
	}
	before := world.see("locked")
	do(t, other, "send hello")
	for range 2 { // by way of the engine at first, then without
		for path, want := range map[string]string{alarm: "", narrow: "", good: "blocked", unknown: "blocked"} {
			got := world.tries(path)
			if got == "EPERM" || got == "ECONNABORTED" || got == "ECONNRESET" || got == "ECONNREFUSED" {
				got = "blocked"
			}
			if got != want {
				t.Errorf("locked, %s says %q, want %q", path, got, want)
			}
		}
	}
	if r := do(t, world.start(world.talkInside, narrow, "open udp4"), "sendto 10.77.0.2:7000 hello"); r.Error == "" {
		g.await("the line of what does not pass", func() bool {
			for _, e := range g.entries {
				if e.Program.Path == narrow && e.Protocol == firewall.UDP {
					return e.Verdict == firewall.Block
				}
			}
			return false
		})
	}
	world.peer.send(t, "throw 10.77.0.2:7151 10.77.0.1:7150")
	world.peer.next(t)
	g.await("a line about what the lock stopped", func() bool {
		for _, e := range g.entries {
			if e.Program.Path == good && e.Verdict == firewall.Block && e.Reason == firewall.ByMode {
				return true
			}
		}
		return false
	})
	after := world.see("still-locked")
	if after["udp 7000"] != before["udp 7000"] {
		t.Errorf("%d datagrams of a program that may not send them passed the lock", after["udp 7000"]-before["udp 7000"])
	}
	g.mu.Lock()
	for _, p := range g.prompts {
		if p.Program.Path != "" { // a packet that was on its way as its program ended is nobody's
			t.Errorf("asked about %+v", p.Program)
		}
	}
	g.mu.Unlock()

	must(t, hearer, "set nonblocking 1")
	if r := do(t, hearer, "recv"); r.Error != "EAGAIN" {
		t.Errorf("a datagram from outside passed the lock: %+v", r)
	}

	// A killed engine leaves the lock as it was.
	g.kill()
	for path, want := range map[string]string{alarm: "", good: "EPERM"} {
		if got := world.tries(path); got != want {
			t.Errorf("locked and without an engine, %s says %q, want %q", path, got, want)
		}
	}
	next := world.guard(setup{Rules: g.setup.Rules, Mode: firewall.ModeAsk})
	must(t, other, "recv") // sent again by its system
	next.unasked(t)
}
