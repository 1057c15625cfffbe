package windivert

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

var acme = process.Signature{Signer: "Acme", Product: "A"}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// asked is the one open question.
func (s *site) asked() firewall.Program {
	s.Helper()
	ps := s.engine.Prompts()
	if len(ps) != 1 {
		s.Fatalf("%d prompts, want 1: %+v", len(ps), ps)
	}
	return ps[0].Program
}

// unasked checks that nobody is asked anything.
func (s *site) unasked() {
	s.Helper()
	if ps := s.engine.Prompts(); len(ps) > 0 {
		s.Errorf("asked: %+v", ps)
	}
}

// accept has the file that is asked about be what the rules are made for.
func (s *site) accept() {
	s.Helper()
	p := s.asked()
	err := s.prover.Accept(p, func(is ...firewall.Identity) error {
		for _, i := range is {
			s.prover.Put(i)
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	as := p
	as.Kind, as.File, as.Why = firewall.Executable, "", ""
	s.engine.Known(p, as)
	if err := s.apply(firewall.ModeAsk); err != nil {
		s.Fatal(err)
	}
	synctest.Wait()
}

// connects has a program connect, and checks what becomes of it within a second.
func (s *site) connects(name, state string) *socket {
	s.Helper()
	c := s.world.dial(s.world.start(name), s.world.destination(0))
	s.wait(time.Second)
	s.expect(c, state)
	return c
}

func TestAnotherFileAtAnAllowedPathIsAskedAbout(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		w.put("a", "1", process.Signature{}, 0)
		s.connects("a", "open")
		w.put("a", "1", process.Signature{}, 0) // the same content
		s.connects("a", "open")
		s.unasked()
		w.put("a", "evil", process.Signature{}, 0)
		c := s.connects("a", "held")
		want := firewall.Program{Kind: firewall.Changed, Path: program("a").Path, File: "sha256:" + digest("evil"), Why: "another file at this path since " + time.Now().Format("2 Jan 2006")}
		if p := s.asked(); p != want {
			t.Errorf("asked about %+v, want %+v", p, want)
		}
		s.accept()
		s.expect(c, "open")
		s.connects("a", "open")
		s.unasked()
	}, rule("a", firewall.Allow))
}

// A large file: the question comes at once, and closes by itself.
func TestALargeFileDelaysNoQuestion(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		for _, then := range []struct{ content, state string }{{"1", "open"}, {"evil", "held"}} {
			w.put("a", "1", acme, 0)
			s.connects("a", "open")
			file := w.put("a", then.content, process.Signature{}, 10*time.Second)
			c := w.dial(w.start("a"), w.destination(0))
			s.wait(settlePatience + 10*time.Millisecond)
			if p := s.asked(); p.Kind != firewall.Changed || p.File != file.stamp.String() {
				t.Errorf("asked about %+v", p)
			}
			s.expect(c, "held")
			s.wait(10 * time.Second)
			s.expect(c, then.state)
		}
		if p := s.asked(); p.File != "sha256:"+digest("evil") {
			t.Errorf("asked about %+v", p)
		}
	}, rule("a", firewall.Allow))
}

func TestANewVersionOfTheSameSignerAndProductIsCarriedOver(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		w.put("a", "1", acme, 0)
		s.connects("a", "open")
		w.put("a", "2", acme, 0)
		s.connects("a", "open")
		s.unasked()
		if len(s.carried) != 1 || s.carried[0].Before.SHA256 != digest("1") || s.carried[0].Proof.Signer != "Acme" {
			t.Fatalf("carried over: %+v", s.carried)
		}
		err := s.prover.Undo(program("a").Path, func(is ...firewall.Identity) error { s.prover.Put(is[0]); return nil })
		if err != nil {
			t.Fatal(err)
		}
		s.use(firewall.ModeAsk, rule("a", firewall.Allow))
		s.connects("a", "held")
		s.accept()
		for _, other := range []process.Signature{{}, {Signer: "Acme", Product: "B"}, {Signer: "Evil", Product: "A"}} {
			w.put("a", "of another", other, 0)
			c := s.connects("a", "held")
			if p := s.asked(); p.Kind != firewall.Changed || p.Signer != other.Signer {
				t.Errorf("asked about %+v", p)
			}
			s.answer(firewall.Block)
			c.close()
		}
		if len(s.carried) != 1 {
			t.Errorf("carried over: %+v", s.carried)
		}
	}, rule("a", firewall.Allow))
}

// A folder with a version in its name proves nothing.
func TestAVersionAtAnotherPathIsCarriedOverIfItIsProven(t *testing.T) {
	for name, test := range map[string]struct {
		signed process.Signature
		state  string
	}{
		"same signer and product": {acme, "open"},
		"another product":         {process.Signature{Signer: "Acme", Product: "B"}, "held"},
		"no signature":            {process.Signature{}, "held"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(ipv4World)
			old, next := `app-1.2.3\a`, `app-1.2.4\a`
			story(t, w, func(s *site) {
				w.put(old, "1", acme, 0)
				s.connects(old, "open")
				w.put(next, "2", test.signed, 0)
				s.connects(next, test.state)
				if moved := len(s.carried) == 1; moved != (test.state == "open") {
					t.Errorf("carried over: %+v", s.carried)
				}
			}, firewall.Rule{ID: "old", Program: program(old).ID(), Verdict: firewall.Allow})
		})
	}
}

// Datagrams of a program that counted as changed are not asked about again once
// it is known to be the same.
func TestAFlowOfAChangedProgramIsJudgedAsWhatItTurnedOutToBe(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	story(t, w, func(s *site) {
		w.put("a", "1", process.Signature{}, 0)
		s.connects("a", "open")
		w.put("a", "1", process.Signature{}, 10*time.Second)
		c := w.sendTo("a", "192.0.2.1:5000", "1")
		s.wait(time.Second)
		if p := s.asked(); p.Kind != firewall.Changed {
			t.Errorf("asked about %+v", p)
		}
		s.wait(10 * time.Second)
		s.use(firewall.ModeAsk, rule("a", firewall.Allow))
		w.leave(udp(c.flow, nil))
		s.wait(time.Second)
		s.unasked()
		if w.left() != 2 {
			t.Errorf("%d datagrams left", w.left())
		}
	}, rule("a", firewall.Allow))
}

// Who signed a large file is known after a while: the question stays one.
func TestASignatureThatIsVerifiedLateMakesNoSecondQuestion(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		w.put("a", "1", acme, time.Second)
		w.dial(w.start("a"), w.destination(0))
		s.wait(settlePatience + 10*time.Millisecond)
		if p := s.asked(); p != program("a") {
			t.Errorf("asked about %+v", p)
		}
		s.wait(time.Second)
		w.dial(w.start("a"), w.destination(1))
		s.wait(2 * time.Second)
		want := program("a")
		want.Signer, want.Product = acme.Signer, acme.Product
		if p := s.asked(); p != want {
			t.Errorf("asked about %+v", p)
		}
	})
}

func TestARuleForASignerWaitsForTheSignature(t *testing.T) {
	w := newWorld(ipv4World)
	block := firewall.Rule{ID: "acme", Program: "signer:Acme/product:A", Verdict: firewall.Block}
	any := firewall.Rule{ID: "any", Program: firewall.AnyProgram, Verdict: firewall.Allow}
	story(t, w, func(s *site) {
		w.put("a", "1", acme, signPatience-time.Second)
		c := s.connects("a", "held")
		s.unasked()
		s.wait(signPatience)
		s.expect(c, "refused")
	}, block, any)
}

func TestNoFileIsReadWhoseStampIsKnown(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		file := w.put("a", "1", process.Signature{}, 0)
		for range 5 {
			s.connects("a", "open")
		}
		if file.reads != 1 {
			t.Errorf("read %d times", file.reads)
		}
		w.put("b", strings.Repeat("b", 9), process.Signature{}, 0)
		s.connects("b", "held")
		if w.files[program("b").Path].reads != 0 {
			t.Error("a program that no rule names was read")
		}
	}, rule("a", firewall.Allow))
}

// A rule for one script allows no other, nor code on the command line, nor the
// script in another interpreter's place.
func TestARuleForAScriptAllowsNoOther(t *testing.T) {
	w := newWorld(ipv4World)
	path := program("python").Path
	runs := func(script, why string) uint32 {
		pid := w.start("python")
		w.mu.Lock()
		defer w.mu.Unlock()
		p := w.processes[pid]
		p.runs = &firewall.Program{Kind: firewall.Interpreted, Path: path, Family: "python", Script: script, Why: why}
		if script == "" {
			p.runs.File = "execution 1"
		}
		w.processes[pid] = p
		return pid
	}
	backup := firewall.Rule{ID: "backup", Program: `script:python:C:\u\backup.py`, Verdict: firewall.Allow}
	signed := firewall.Rule{ID: "signed", Program: "signer:Acme/product:A", Verdict: firewall.Allow}
	named := firewall.Rule{ID: "named", Program: path, Port: 1, Verdict: firewall.Allow}
	story(t, w, func(s *site) {
		w.put("python", "1", acme, 0)
		for script, why := range map[string]string{`C:\u\backup.py`: "", `C:\u\evil.py`: "", "": "inline code"} {
			c := w.dial(runs(script, why), w.destination(0))
			s.wait(time.Second)
			if script == `C:\u\backup.py` {
				s.expect(c, "open")
				s.unasked()
				continue
			}
			s.expect(c, "held")
			if p := s.asked(); p.Kind != firewall.Interpreted || p.Script != script || p.Why != why {
				t.Errorf("asked about %+v", p)
			}
			s.answer(firewall.Block)
			c.close()
		}
		w.put("python", "evil", process.Signature{}, 0)
		c := w.dial(runs(`C:\u\backup.py`, ""), w.destination(0))
		s.wait(time.Second)
		s.expect(c, "held")
		if p := s.asked(); p.Kind != firewall.Changed || p.Script != "" {
			t.Errorf("asked about %+v", p)
		}
	}, backup, signed, named)
}
