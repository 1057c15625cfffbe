package app

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

func TestTenThousandRulesImportWithinTwoSeconds(t *testing.T) {
	if !privileged(t) {
		t.Skip("importing needs root")
	}
	r := newRig(t, firewall.ModeAsk, onlyUs)
	empty, text := encoded(t, 0), encoded(t, 10_000)
	client := link.NewClient(r.socket)
	took := time.Hour
	// Other tests use the processors, too: the best of three counts.
	for range 3 {
		if _, err := client.Import(t.Context(), empty, ui.ImportOptions{Apply: true, Replace: true}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		diff, err := client.Import(t.Context(), text, ui.ImportOptions{Apply: true, Replace: true})
		took = min(took, time.Since(start))
		if err != nil || len(diff.Added) != 10_000 {
			t.Fatalf("%d added, error %v", len(diff.Added), err)
		}
	}
	t.Logf("10,000 rules in %v", took)
	if took > 2*time.Second && !raceEnabled {
		t.Fatalf("took %v, want at most 2s", took)
	}
	r.decided(t, r.memory.Dial(attempt("/opt/p9999/bin/x", "192.0.2.1:22")), firewall.Block, firewall.ByRule)
	again, err := client.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff, err := client.Import(t.Context(), again, ui.ImportOptions{Replace: true}); err != nil || len(diff.Added)+len(diff.Removed)+len(diff.Changed) > 0 {
		t.Fatalf("what was exported changes %d, %d, %d; error %v", len(diff.Added), len(diff.Removed), len(diff.Changed), err)
	}
}

func TestAnInvalidImportIsRefusedWholeWithItsLine(t *testing.T) {
	if !privileged(t) {
		t.Skip("importing needs root")
	}
	r := newRig(t, firewall.ModeAsk, onlyUs)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	text, err := r.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bad := append(text, []byte("nonsense = 1\n")...)
	line := strings.Count(string(text), "\n") + 1
	_, err = link.NewClient(r.socket).Import(t.Context(), bad, ui.ImportOptions{Apply: true, Replace: true})
	if !errors.Is(err, ui.ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("line %d", line)) {
		t.Fatalf("error %v, want one that names line %d", err, line)
	}
	if rules, _ := r.Rules(t.Context()); len(rules) != 1 {
		t.Fatalf("rules %+v", rules)
	}
}

// Ten times the rules are ten times the work, and a little for the depth of
// trees: told by what is allocated, which is the same on every machine.
func TestTheWorkOfAnImportGrowsWithItsRules(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	empty := encoded(t, 0)
	work := func(n int) float64 {
		text := encoded(t, n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, apply := range []bool{false, true} { // as the command does
			if diff, err := r.Import(t.Context(), text, ui.ImportOptions{Apply: apply, Replace: true}); err != nil || len(diff.Added) != n {
				t.Fatalf("%d added, error %v", len(diff.Added), err)
			}
		}
		runtime.ReadMemStats(&after)
		if _, err := r.Import(t.Context(), empty, ui.ImportOptions{Apply: true, Replace: true}); err != nil {
			t.Fatal(err)
		}
		bytes := after.TotalAlloc - before.TotalAlloc
		t.Logf("%d rules: %d bytes, %d allocations", n, bytes, after.Mallocs-before.Mallocs)
		return float64(bytes)
	}
	few, many := work(1000), work(10_000)
	if many > 15*few {
		t.Errorf("ten times the rules take %.1f times as much", many/few)
	}
}

func BenchmarkImport(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newRig(b, firewall.ModeAsk, onlyUs)
			client := link.NewClient(r.socket)
			empty, text := encoded(b, 0), encoded(b, n)
			for range b.N {
				b.StopTimer()
				if _, err := client.Import(b.Context(), empty, ui.ImportOptions{Apply: true, Replace: true}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				for _, apply := range []bool{false, true} { // as the command does
					if diff, err := client.Import(b.Context(), text, ui.ImportOptions{Apply: apply, Replace: true}); err != nil || len(diff.Added) != n {
						b.Fatalf("%d added, error %v", len(diff.Added), err)
					}
				}
			}
		})
	}
}

// encoded is a document with n rules.
func encoded(t testing.TB, n int) []byte {
	t.Helper()
	d := persistence.Document{Rules: manyRules(n)}
	for i := range d.Rules {
		d.Rules[i].ID, d.Rules[i].Created = firewall.RuleID(fmt.Sprintf("r%d", i+1)), time.Unix(1e9, 0)
	}
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
