package identity_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/identity"
)

func TestAStampCostsNothingAndAnotherIsReadOnce(t *testing.T) {
	tell(t, func(s *story) {
		s.put(path, "8.1")
		s.is(firewall.Executable)
		s.is(firewall.Executable)
		if s.reads != 1 || s.kept[path].Proof.SHA256 != sum("8.1") {
			t.Errorf("read %d times: %+v", s.reads, s.kept)
		}
		s.put(path, "8.1") // touched
		first, then := s.meet(path)
		if first.Kind != firewall.Changed || first.Why != "changed, being checked" || then.Kind != firewall.Executable {
			t.Errorf("first %+v, then %+v", first, then)
		}
		if len(s.known) != 1 || s.known[0] != [2]firewall.Program{first, then} || s.reads != 2 || len(s.carried) > 0 {
			t.Errorf("read %d times, told %+v, carried %+v", s.reads, s.known, s.carried)
		}
		s.put(path, "evil")
		_, evil := s.meet(path)
		want := firewall.Program{Kind: firewall.Changed, Path: path, File: "sha256:" + sum("evil"), Why: "another file at this path since 1 Jan 1970"}
		if evil != want {
			t.Errorf("another file counts as %+v", evil)
		}
	})
}

func TestAFileReplacedWhileNobodyLooked(t *testing.T) {
	tell(t, func(s *story) {
		s.put(path, "8.1")
		s.is(firewall.Executable)
		s.put(path, "evil")
		defer s.start()()
		s.is(firewall.Changed)
		s.put(path, "8.1")
		s.is(firewall.Executable)
	})
}

func TestAFileThatWasNeverReadProvesNothing(t *testing.T) {
	tell(t, func(s *story) {
		s.slow = time.Second
		s.put(path, "8.1")
		if p, wait := s.Identify(executable(path), s.stamps[path], func(context.Context, func(*io.SectionReader) error) error { return errors.New("gone") }); p.Kind != firewall.Executable || wait != nil {
			t.Errorf("met first, it counts as %+v", p)
		}
		synctest.Wait()
		s.put(path, "8.1")
		s.is(firewall.Changed)
	})
}

func TestAPersonAcceptsTheFileThatTheyWereAskedAbout(t *testing.T) {
	tell(t, func(s *story) {
		s.put(path, "8.1")
		s.is(firewall.Executable)
		s.put(path, "8.2")
		_, p := s.meet(path)
		s.put(path, "evil")
		s.is(firewall.Changed)
		if err := s.accept(p); !errors.Is(err, identity.ErrGone) {
			t.Errorf("accepted a file that is gone: %v", err)
		}
		s.is(firewall.Changed)
		if err := s.AcceptMet(path, s.store); err != nil {
			t.Fatal(err)
		}
		s.is(firewall.Executable)
		s.put(path, "8.1")
		s.is(firewall.Changed)
	})
}

// An answer counts for the program that asked, not for what took its place
// while the question was open.
func TestAnAnswerIsForTheFileThatAsked(t *testing.T) {
	tell(t, func(s *story) {
		s.named = false
		s.put(path, "8.1")
		first, _ := s.meet(path)
		if first.Kind != firewall.Executable || s.reads > 0 {
			t.Errorf("%+v was read %d times", first, s.reads)
		}
		if err := s.accept(first); err != nil {
			t.Fatal(err)
		}
		s.named = true
		s.is(firewall.Executable)
		s.put(path, "evil")
		s.is(firewall.Changed)
	})
}

// A large file: the person answers before it was read.
func TestAnAnswerMayComeBeforeTheFileWasRead(t *testing.T) {
	tell(t, func(s *story) {
		s.put(path, "8.1")
		s.is(firewall.Executable)
		s.put(path, "8.2")
		s.slow = time.Minute
		stamp := s.stamps[path]
		p, _ := s.Identify(executable(path), stamp, func(ctx context.Context, f func(*io.SectionReader) error) error {
			time.Sleep(s.slow)
			return f(file("8.2"))
		})
		if err := s.accept(p); err != nil {
			t.Fatal(err)
		}
		if p, wait := s.Identify(executable(path), stamp, nil); p.Kind != firewall.Executable || wait != nil {
			t.Errorf("accepted, it counts as %+v", p)
		}
		time.Sleep(2 * s.slow)
		synctest.Wait()
		if s.kept[path].Proof.SHA256 != sum("8.2") {
			t.Errorf("kept %+v", s.kept)
		}
		s.put(path, "8.2")
		s.is(firewall.Executable)
	})
}

func TestANewVersionOfThePackageIsCarriedOver(t *testing.T) {
	tell(t, func(s *story) {
		s.put(path, "8.1")
		s.own(path, firewall.Proof{Package: "dpkg:curl", Version: "8.1"})
		s.is(firewall.Executable)
		s.put(path, "8.2")
		s.own(path, firewall.Proof{Package: "dpkg:curl", Version: "8.2"})
		s.is(firewall.Executable)
		if len(s.carried) != 1 || s.carried[0].Before.Version != "8.1" || s.carried[0].Proof.Version != "8.2" {
			t.Fatalf("carried over: %+v", s.carried)
		}
		if err := s.Undo(path, func(is ...firewall.Identity) error { s.Put(is[0]); return nil }); err != nil {
			t.Fatal(err)
		}
		s.is(firewall.Changed)
		s.put(path, "8.3") // what was undone stays so
		s.own(path, firewall.Proof{Package: "dpkg:curl", Version: "8.3"})
		s.is(firewall.Changed)
		if err := s.Undo(path, nil); !errors.Is(err, identity.ErrNoChange) {
			t.Errorf("undone twice: %v", err)
		}
		s.put(path, "8.1")
		s.is(firewall.Executable)
		s.put(path, "8.3")
		s.is(firewall.Changed)
		if err := s.AcceptMet(path, s.store); err != nil {
			t.Fatal(err)
		}
		s.put(path, "8.4") // who accepted a version trusts the package again
		s.is(firewall.Executable)
	})
}

func TestWhatIsNoVersionOfThePackageIsAskedAbout(t *testing.T) {
	for name, owner := range map[string]firewall.Proof{
		"not of the package, or tampered with": {},
		"another package":                      {Package: "dpkg:evil", Version: "8.1"},
		"half a signature":                     {Signer: "Acme"},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, func(s *story) {
				s.put(path, "8.1")
				s.own(path, firewall.Proof{Package: "dpkg:curl", Version: "8.1", Signer: "Acme"})
				s.is(firewall.Executable)
				s.put(path, "evil")
				s.own(path, owner)
				s.is(firewall.Changed)
				if len(s.carried) > 0 {
					t.Errorf("carried over: %+v", s.carried)
				}
			})
		})
	}
}

// A package's files are in place before its record is.
func TestAPackageThatIsBeingInstalledIsLookedAtAgain(t *testing.T) {
	tell(t, func(s *story) {
		s.put(path, "8.1")
		s.own(path, firewall.Proof{Package: "dpkg:curl", Version: "8.1"})
		s.is(firewall.Executable)
		s.put(path, "8.2")
		s.own(path, firewall.Proof{})
		s.is(firewall.Changed)
		s.own(path, firewall.Proof{Package: "dpkg:curl", Version: "8.2"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(s.known); len(s.carried) != 1 || s.known[n-1][1].Kind != firewall.Executable {
			t.Errorf("carried over %+v, told %+v", s.carried, s.known)
		}
		s.is(firewall.Executable)
	})
}

// Nothing but its content proves the program at new-1: a look into the file at
// new-2 could tell nothing, and its question would come later for it.
func TestAQuestionDoesNotWaitForAProofThatWouldNotCount(t *testing.T) {
	tell(t, func(s *story) {
		s.put("/home/u/new-1", "mine")
		s.meet("/home/u/new-1")
		s.named = false
		s.put("/home/u/new-2", "mine too")
		before := s.reads
		s.meet("/home/u/new-2")
		if s.reads != before || len(s.moved) > 0 {
			t.Errorf("read %d times, carried over %+v", s.reads-before, s.moved)
		}
	})
}

func TestAVersionedPathIsCarriedOverWithAProofOnly(t *testing.T) {
	const before, after = "/opt/app-1.2.3/bin/app", "/opt/app-1.2.4/bin/app"
	for name, test := range map[string]struct {
		owner   firewall.Proof
		path    string
		carried bool
	}{
		"of the same package":     {firewall.Proof{Package: "dpkg:app", Version: "1.2.4"}, after, true},
		"of another package":      {firewall.Proof{Package: "dpkg:evil"}, after, false},
		"of no package":           {firewall.Proof{}, after, false},
		"another file of it":      {firewall.Proof{Package: "dpkg:app"}, "/opt/app-1.2.4/bin/tool", false},
		"in a folder of versions": {firewall.Proof{Package: "dpkg:app"}, "/opt/app-1.2.4-1_2/bin/app", false},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, func(s *story) {
				s.put(before, "1.2.3")
				s.own(before, firewall.Proof{Package: "dpkg:app", Version: "1.2.3"})
				s.meet(before)
				s.named = false
				s.put(test.path, "1.2.4")
				s.own(test.path, test.owner)
				if first, then := s.meet(test.path); first.Kind != firewall.Executable || then != first {
					t.Errorf("it counts as %+v, then %+v", first, then)
				}
				if got := len(s.moved) == 1; got != test.carried {
					t.Fatalf("carried over: %+v", s.moved)
				}
				if !test.carried {
					return
				}
				if i := s.moved[0]; i.Program != after || i.From != before || i.Proof.SHA256 != sum("1.2.4") || i.Before.Version != "1.2.3" {
					t.Errorf("carried over: %+v", i)
				}
				s.Put(s.moved[0])
				if err := s.Undo(after, func(is ...firewall.Identity) error { s.Put(is[0]); return nil }); err != nil {
					t.Fatal(err)
				}
				s.meet(after) // no rule names it any more: it is asked about as any program
				s.put(after, "1.2.4 again")
				s.meet(after)
				if len(s.moved) > 1 {
					t.Errorf("carried over again: %+v", s.moved)
				}
			})
		})
	}
}

func TestARecordThatCannotBeReadAllowsNothing(t *testing.T) {
	tell(t, func(s *story) {
		s.kept[path] = firewall.Identity{Program: path}
		defer s.start()()
		s.put(path, "8.1")
		s.is(firewall.Changed)
	})
}

// What a file costs that was met before, on a packet's way: a thousandth of the
// 0.3 ms that a program's first connection may cost at most.
func BenchmarkAKnownFile(b *testing.B) {
	stamp := firewall.Stamp{Inode: 1}
	p := identity.New([]firewall.Identity{{Program: path, Stamp: stamp, Proof: firewall.Proof{SHA256: sum("8.1")}}}, identity.Options{})
	for b.Loop() {
		if _, wait := p.Identify(executable(path), stamp, nil); wait != nil {
			b.Fatal("it is read")
		}
	}
}

func TestAPathMayLookLikeThatOfAnotherVersion(t *testing.T) {
	tell(t, func(s *story) {
		const old, anew = "/home/a/Web-1.2.3.AppImage", "/home/a/Web-1.2.4.AppImage"
		s.put(old, "1.2.3")
		s.meet(old)
		for path, want := range map[string]string{anew: old, old: "", "/home/a/Wed-1.2.4.AppImage": "", "/home/a/Web.AppImage": ""} {
			if other := s.Resembles(path); other != want {
				t.Errorf("%s looks like %q", path, other)
			}
		}
		s.named = false
		delete(s.kept, old)
		if other := s.Resembles(anew); other != "" {
			t.Errorf("it looks like %s, which no rule names any more", other)
		}
	})
}

// A large file: who signed it is known after it was met. What it turns out to be
// is told of it as it was met last, once.
func TestWhoSignedAFileMayBeKnownLater(t *testing.T) {
	tell(t, func(s *story) {
		s.put(path, "8.1")
		s.is(firewall.Executable)
		s.put(path, "8.2")
		s.slow = time.Minute
		first, _ := s.Identify(executable(path), s.stamps[path], s.reading(path))
		signed := executable(path)
		signed.Signer, signed.Product = "Acme", "A"
		then, wait := s.Identify(signed, s.stamps[path], s.reading(path))
		if first.Signer != "" || then.Signer != "Acme" || then.File != first.File || wait == nil {
			t.Errorf("it counts as %+v, then %+v", first, then)
		}
		<-wait
		synctest.Wait()
		now, _ := s.Identify(signed, s.stamps[path], s.reading(path))
		if now.Kind != firewall.Changed || now.Signer != "Acme" || len(s.known) != 1 || s.known[0] != [2]firewall.Program{then, now} {
			t.Errorf("it counts as %+v; told %+v", now, s.known)
		}
		unsigned := now
		unsigned.Signer, unsigned.Product = "", "" // as which it may still be asked about
		if err := s.accept(unsigned); err != nil {
			t.Fatal(err)
		}
		if now, wait := s.Identify(signed, s.stamps[path], nil); now != signed || wait != nil {
			t.Errorf("accepted, it counts as %+v", now)
		}
	})
}
