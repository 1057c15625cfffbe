package app

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

func prompt(id string, pid int) firewall.Prompt {
	return firewall.Prompt{ID: firewall.PromptID(id), First: firewall.Attempt{PID: pid}}
}

func nobodyStarted(int, time.Time, string) {}

func TestAQuestionDoesNotWaitForANameThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		came, late := make(chan struct{}), 0
		f := newFacts(nobodyStarted, func() { late++ })
		f.read = func(pid int) (process.Facts, error) {
			switch pid {
			case 1:
				<-came // a directory on the network
			case 3:
				return process.Facts{}, errors.New("gone")
			}
			return process.Facts{PID: pid, User: "anna"}, nil
		}
		prompts := []firewall.Prompt{prompt("a", 1), prompt("b", 2), prompt("c", 3), prompt("d", 0)}
		start := time.Now()
		for range 3 {
			known := f.about(prompts)
			if known[0].User != "" || known[1].User != "anna" || known[2].User != "" || known[3].User != "" {
				t.Fatalf("known: %+v", known)
			}
		}
		if waited := time.Since(start); waited != factPatience {
			t.Errorf("waited %v, want %v", waited, factPatience)
		}
		close(came)
		synctest.Wait()
		if late != 1 {
			t.Errorf("told %d times that more is known", late)
		}
		if known := f.about(prompts); known[0].User != "anna" || len(f.of) != 4 {
			t.Errorf("known: %+v", known)
		}
		if f.keep(prompts[:1]); len(f.of) != 1 {
			t.Errorf("%d are remembered of one", len(f.of))
		}
	})
}

func TestAProcessThatHasThePIDNowIsNotNamed(t *testing.T) {
	f := newFacts(nobodyStarted, func() {})
	f.read = func(pid int) (process.Facts, error) {
		return process.Facts{PID: pid, User: "mallory", Started: time.Unix(2000, 0)}, nil
	}
	for _, started := range []int64{1000, 1999} {
		p := prompt("x", 7)
		p.ID, p.First.Started = firewall.PromptID(time.Unix(started, 0).String()), time.Unix(started, 0)
		if known := f.about([]firewall.Prompt{p}); (known[0].User == "mallory") != (started == 1999) {
			t.Errorf("started at %d: %+v", started, known[0])
		}
	}
}

func TestAProcessIsRememberedWhileItsFlowsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		f := newFacts(nobodyStarted, func() {})
		f.read = func(pid int) (process.Facts, error) {
			reads++
			return process.Facts{PID: pid, User: "anna", UID: 1000}, nil
		}
		asked := firewall.Entry{Attempt: firewall.Attempt{PID: 7}, Decision: firewall.Decision{Verdict: firewall.Ask, Reason: firewall.Asked}}
		answered := asked
		answered.Decision = firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByAnswer}
		if f.decided(answered) != nil {
			t.Error("facts of a flow that nobody was asked about")
		}
		first := f.decided(asked)
		f.decided(asked)
		if said := first.read(); said.facts != nil {
			t.Errorf("said before it is known: %q", said.facts)
		}
		synctest.Wait()
		for range 2 {
			f.keep(nil)
			if one := f.decided(answered); one == nil || len(one.read().facts) != 1 {
				t.Errorf("answered: %+v", one)
			}
		}
		if f.decided(answered) != nil {
			t.Error("facts of a third flow, where two were asked about")
		}
		exec := asked
		exec.Program = firewall.Program{Kind: firewall.Executable, Path: "/usr/bin/other"}
		f.decided(exec)
		synctest.Wait()
		if f.keep(nil); len(f.of) != 1 || reads != 2 {
			t.Errorf("%d remembered, read %d times", len(f.of), reads)
		}
	})
}

func TestAProgramMaySeeItsFileAtAnotherPath(t *testing.T) {
	for _, test := range []struct {
		runs, asked string
		other       bool
	}{
		{"/usr/bin/curl", "/usr/bin/curl", false},
		{"/usr/bin/wget", "/usr/bin/curl", true},
		{"/tmp/.mount_Web1a2b/usr/bin/web", "/home/a/Web.AppImage", false},
		{"/app/bin/web", "/home/a/.local/share/flatpak/app/org.example.Web/x86_64/stable/active/files/bin/web", false},
	} {
		a := firewall.Attempt{Program: firewall.Program{Kind: firewall.Executable, Path: test.asked}}
		if otherProgram(process.Facts{Path: test.runs}, a) != test.other {
			t.Errorf("%s is another program than %s: %v", test.runs, test.asked, !test.other)
		}
	}
}
