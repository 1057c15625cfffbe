package identity_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

const backup = "/home/u/bin/backup.py"

// script is what the interpreter at a path makes of a script.
func script(path, interpreter string) firewall.Program {
	return firewall.Program{Kind: firewall.Interpreted, Path: interpreter, Family: "python", Script: path}
}

func TestAnotherScriptAtAnAllowedPathIsAskedAbout(t *testing.T) {
	tell(t, func(s *story) {
		p := script(backup, "/usr/bin/python3.11")
		s.put(backup, "good")
		if first, _ := s.meetAs(p, backup); first != p || s.kept[p.ID()].Proof.SHA256 != sum("good") {
			t.Errorf("met first, it counts as %+v; kept %+v", first, s.kept)
		}
		s.put(backup, "evil")
		_, evil := s.meetAs(p, backup)
		want := p
		want.Kind, want.File, want.Why = firewall.Changed, "sha256:"+sum("evil"), "another file at this path since 1 Jan 1970"
		if evil != want {
			t.Errorf("another script counts as %+v", evil)
		}
		if err := s.accept(evil); err != nil {
			t.Fatal(err)
		}
		if _, now := s.meetAs(p, backup); now != p {
			t.Errorf("accepted, it counts as %+v", now)
		}
	})
}

// The rule is for the script: whatever interpreter of the family runs it, all
// who wait are told what it turned out to be.
func TestEveryInterpreterOfAScriptIsToldAtOnce(t *testing.T) {
	tell(t, func(s *story) {
		old, new := script(backup, "/usr/bin/python3.11"), script(backup, "/usr/bin/python3.12")
		s.put(backup, "good")
		s.meetAs(old, backup)
		s.put(backup, "good")
		s.slow = time.Minute
		for _, p := range []firewall.Program{old, new} {
			if first, wait := s.Identify(p, s.stamps[backup], s.reading(backup)); first.Kind != firewall.Changed || first.Path != p.Path || wait == nil {
				t.Errorf("touched, it counts as %+v", first)
			}
		}
		time.Sleep(2 * s.slow)
		synctest.Wait()
		var told []firewall.Program
		for _, known := range s.known {
			if known[0].Kind != firewall.Changed || known[0].Proven() != known[1] {
				t.Errorf("told %+v", known)
			}
			told = append(told, known[1])
		}
		if !slices.Equal(told, []firewall.Program{old, new}) {
			t.Errorf("told of %+v", told)
		}
	})
}

// A script that runs stays the one that it was when its file is touched, or
// when its package is upgraded; what a person accepts in its place is another.
func TestAScriptThatRunsOutlivesATouchOfItsFile(t *testing.T) {
	tell(t, func(s *story) {
		p := script(backup, "/usr/bin/python3.11")
		s.put(backup, "1")
		s.own(backup, firewall.Proof{Package: "dpkg:backup", Version: "1"})
		s.meetAs(p, backup)
		runs := s.stamps[backup]
		same := func(why string) {
			t.Helper()
			if now, wait := s.Identify(p, runs, s.reading(backup)); now != p || wait != nil {
				t.Errorf("%s, what runs counts as %+v", why, now)
			}
		}
		s.put(backup, "1")
		s.meetAs(p, backup)
		same("touched")
		s.put(backup, "2")
		s.own(backup, firewall.Proof{Package: "dpkg:backup", Version: "2"})
		if _, now := s.meetAs(p, backup); now != p || len(s.carried) != 1 || s.carried[0].Program != p.ID() {
			t.Errorf("upgraded, it counts as %+v; carried over %+v", now, s.carried)
		}
		same("upgraded")
		s.put(backup, "mine")
		s.own(backup, firewall.Proof{})
		s.meetAs(p, backup)
		if err := s.AcceptMet(p.ID(), s.store); err != nil {
			t.Fatal(err)
		}
		if now, _ := s.Identify(p, runs, s.reading(backup)); now.Kind != firewall.Changed {
			t.Errorf("another one was accepted, but what runs counts as %+v", now)
		}
	})
}

// What a package says of a script proves nothing about an interpreter that is
// not its own.
func TestNoPackageVouchesForSomebodysOwnInterpreter(t *testing.T) {
	tell(t, func(s *story) {
		p := script(backup, "/home/u/.pyenv/bin/python3.11")
		p.Replaceable = true
		for _, version := range []string{"1", "2"} {
			s.put(backup, version)
			s.own(backup, firewall.Proof{Package: "dpkg:backup", Version: version})
			_, now := s.meetAs(p, backup)
			if (now == p) != (version == "1") || now != p && now.Why != "another script, or interpreter of it, since 1 Jan 1970" {
				t.Errorf("version %s counts as %+v", version, now)
			}
		}
	})
}

// A program that no rule can name has no proof.
func TestWhatCannotBeNamedIsWhatItIs(t *testing.T) {
	tell(t, func(s *story) {
		p := firewall.Program{Why: "its socket is not known", File: "socket"}
		for _, content := range []string{"1", "2"} {
			s.put(path, content)
			if first, then := s.meetAs(p, path); first != p || then != p || s.reads > 0 {
				t.Errorf("it counts as %+v, then %+v, read %d times", first, then, s.reads)
			}
		}
	})
}
