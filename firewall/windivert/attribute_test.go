package windivert

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// ourselves says that every flow is this process's.
type ourselves struct {
	system
	started time.Time
}

func (o ourselves) identify(uint32, firewall.Flow, time.Time) (process.Running, int) {
	return process.Running{Program: firewall.Program{Kind: firewall.Executable, Path: "/bin/a"}, Started: o.started}, -1
}

func (o ourselves) resolvers() []netip.Addr { return nil }

func TestWhatStartedAProcessIsToldWhereRulesDependOnIt(t *testing.T) {
	facts, err := process.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	a := newAttributor(ourselves{started: facts.Started}, make(chan struct{}, 1))
	for _, want := range []string{"", process.StarterOf(facts.PID, facts.Started)} {
		a.starters.Store(want != "")
		a.tasks <- task{pid: uint32(facts.PID)}
		ended := make(chan struct{})
		go func() { defer close(ended); a.run() }()
		var all []result
		for len(all) == 0 {
			<-a.wake
			all = a.results.take()
		}
		if all[0].by != want {
			t.Errorf("started by %q, want %q", all[0].by, want)
		}
		close(a.tasks)
		<-ended
		a.tasks = make(chan task, 1)
	}
}
