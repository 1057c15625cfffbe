package firewall_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func TestAnEndIsJudgedByBothClocks(t *testing.T) {
	made := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	const up = 5 * time.Hour
	hour := firewall.Expiry{At: made.Add(time.Hour), Boot: "b", Uptime: up + time.Hour}
	for _, test := range []struct {
		name         string
		expiry       firewall.Expiry
		wall, uptime time.Duration // since the rule was made
		allow, block bool          // whether the rule is over
	}{
		{"at once", hour, 0, 0, false, false},
		{"just before", hour, time.Hour - 1, time.Hour - 1, false, false},
		{"in time", hour, time.Hour, time.Hour, true, true},
		{"the clock was set back", hour, -8760 * time.Hour, time.Hour, true, true},
		{"the clock was set back, and it is not time yet", hour, -8760 * time.Hour, time.Minute, false, false},
		{"the clock was set forward", hour, 8760 * time.Hour, time.Minute, true, false},
		{"the computer slept", hour, 9 * time.Hour, 9 * time.Hour, true, true},
		{"by one clock alone", firewall.Expiry{At: hour.At}, time.Hour, time.Minute, true, true},
		{"always", firewall.Expiry{}, 8760 * time.Hour, 8760 * time.Hour, false, false},
		{"until restart", firewall.Expiry{Boot: "b"}, 8760 * time.Hour, 8760 * time.Hour, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for v, want := range map[firewall.Verdict]bool{firewall.Allow: test.allow, firewall.Block: test.block, firewall.Ask: test.block} {
				a := attempt("/usr/bin/curl", "1.1.1.1:443")
				a.Time, a.Uptime = made.Add(test.wall), up+test.uptime
				rs, err := firewall.NewRuleset(firewall.Rule{ID: "r", Program: "/usr/bin/curl", Verdict: v, Until: test.expiry})
				if err != nil {
					t.Fatal(err)
				}
				d, ok := rs.Decide(a)
				if ok == want {
					t.Errorf("%s: the rule is over: %t, want %t", v, !ok, want)
				}
				if left, ends := test.expiry.Left(firewall.Clocks{Wall: a.Time, Uptime: a.Uptime}, v); ok && ends && !d.Bounds.Until.Equal(a.Time.Add(left)) {
					t.Errorf("%s: known until %v, want %v more", v, d.Bounds.Until, left)
				}
			}
		})
	}
}

// What a backend keeps of a decision must end with the rule, also when the
// clock on the wall was set back meanwhile.
func TestARuleEndsThoughTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		back := 24 * time.Hour
		uptime := func() time.Duration { return time.Since(began) + time.Minute }
		// The clock on the wall was a day ahead when the rule was made.
		rule := firewall.Rule{ID: "r", Program: "/usr/bin/curl", Verdict: firewall.Allow,
			Until: firewall.Expiry{At: began.Add(back + time.Hour), Boot: "b", Uptime: uptime() + time.Hour}}
		rs, err := firewall.NewRuleset(rule)
		if err != nil {
			t.Fatal(err)
		}
		e := firewall.NewEngine(rs, firewall.ModeBlock, firewall.Options{Uptime: uptime})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go e.Run(ctx)
		d, ok := e.Judge(attempt("/usr/bin/curl", "1.1.1.1:443"))
		if !ok || d.Verdict != firewall.Allow || !d.Bounds.Until.Equal(began.Add(time.Hour)) {
			t.Fatalf("at first %+v, %t; want it allowed for an hour", d, ok)
		}
		time.Sleep(time.Hour)
		if d, _ := e.Judge(attempt("/usr/bin/curl", "1.1.1.1:443")); d.Verdict != firewall.Block || d.Reason != firewall.ByMode {
			t.Errorf("after an hour %+v", d)
		}
	})
}
