package firewall_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func attempt(path, remote string) firewall.Attempt {
	return firewall.Attempt{
		Flow: firewall.Flow{
			Protocol: firewall.TCP,
			Local:    netip.MustParseAddrPort("192.0.2.1:40000"),
			Remote:   netip.MustParseAddrPort(remote),
		},
		Program: firewall.Program{Kind: firewall.Executable, Path: path},
		PID:     1,
	}
}

func TestAHeldFlowIsReleasedByTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := firewall.NewEngine(firewall.Ruleset{}, firewall.ModeAsk, firewall.Options{})
		ctx, stop := context.WithCancel(t.Context())
		go e.Run(ctx)
		var got []firewall.Decision
		e.Hold(firewall.Held{Attempt: attempt("/usr/bin/curl", "1.1.1.1:443"), Release: func(d firewall.Decision) { got = append(got, d) }})
		ps := e.Prompts()
		if len(ps) != 1 || ps[0].Waiting != 1 {
			t.Fatalf("prompts: %+v", ps)
		}
		time.Sleep(29 * time.Second)
		if err := e.Answer(firewall.Answer{Prompt: ps[0].ID, Verdict: firewall.Allow}); err != nil {
			t.Fatal(err)
		}
		stop()
		synctest.Wait()
		if len(got) != 1 || got[0].Verdict != firewall.Allow || got[0].Reason != firewall.ByAnswer {
			t.Fatalf("released with %+v", got)
		}
	})
}
