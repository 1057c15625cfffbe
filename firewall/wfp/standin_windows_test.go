package wfp

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// present is a program that every Windows has, and Wine too.
const present = `C:\windows\system32\cmd.exe`

// standIn ends a test where the filtering platform is not the one of
// testdata/fwpuclnt.c: tests leave the rules of a real Windows alone.
func standIn(t *testing.T) (count, filter *windows.LazyProc) {
	t.Helper()
	count, filter = fwpuclnt.NewProc("StandInCount"), fwpuclnt.NewProc("StandInFilter")
	if count.Find() != nil {
		const why = "there is no stand-in for the Windows Filtering Platform, which scripts/wine-exec brings"
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return count, filter
}

// inForce is what the stand-in knows of a rule.
type inForce struct {
	action, flags, conditions uint32
	weight                    uint64
}

func find(t *testing.T, r Rule) (f inForce, ok bool) {
	t.Helper()
	_, filter := standIn(t)
	key := guid(r.id())
	found, _, _ := filter.Call(uintptr(unsafe.Pointer(&key)), uintptr(unsafe.Pointer(&f.action)), uintptr(unsafe.Pointer(&f.flags)),
		uintptr(unsafe.Pointer(&f.conditions)), uintptr(unsafe.Pointer(&f.weight)))
	return f, found != 0
}

// empty checks that nothing of ours is left.
func empty(t *testing.T) {
	t.Helper()
	count, _ := standIn(t)
	if n, _, _ := count.Call(); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

const (
	persistent = 1 // FWPM_FILTER_FLAG_PERSISTENT
	hard       = 8 // FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT
	block      = 0x1001
	permit     = 0x1002
)

func TestAPolicyIsPutIntoForceAndRemoved(t *testing.T) {
	standIn(t)
	var g Guard
	rules, _ := Plan(Policy{Allowed: []firewall.Program{executable(present), executable(`C:\none.exe`)}})
	c, err := g.Apply(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	absent := 0
	for _, r := range rules {
		f, ok := find(t, r)
		if r.Program == `C:\none.exe` {
			absent++
			if ok {
				t.Errorf("%s is in force for a file that is not there", r)
			}
			continue
		}
		want := inForce{permit, persistent, 0, uint64(r.Weight)}
		if r.Verdict == firewall.Block {
			want.action, want.flags = block, persistent|hard
		}
		f.conditions, want.conditions = min(f.conditions, 1), 1
		if r.Weight == Everything {
			want.conditions = 0
		}
		if !ok || f != want {
			t.Errorf("%s: in force %v: %+v, want %+v", r, ok, f, want)
		}
	}
	if c.Added != len(rules)-absent || c.Removed != 0 || len(c.Skipped) != absent || !strings.Contains(c.Skipped[0], `C:\none.exe`) {
		t.Errorf("it says %+v", c)
	}

	if c, err := g.Apply(t.Context(), rules); err != nil || c.Added != 0 || c.Removed != 0 {
		t.Errorf("again: %+v, %v", c, err)
	}
	locked, _ := Plan(Policy{Mode: firewall.ModeLock})
	if c, err := g.Apply(t.Context(), locked); err != nil || c.Added != 0 || c.Removed != len(rules)-absent-len(locked) {
		t.Errorf("locked: %+v, %v", c, err)
	}
	removed, err := g.Remove()
	if err != nil || len(removed) != 3 || !strings.HasPrefix(removed[0], "4 rules") {
		t.Errorf("removed %q, %v", removed, err)
	}
	empty(t)
	if removed, err := g.Remove(); err != nil || len(removed) != 0 {
		t.Errorf("removed again %q, %v", removed, err)
	}
}

func TestTheEnginesPermitStandsAboveTheRulesAndEndsWithIt(t *testing.T) {
	standIn(t)
	var g Guard
	rules, _ := Plan(Policy{})
	override, err := g.Override()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	for _, r := range overrides {
		if f, ok := find(t, r); !ok || f != (inForce{action: permit, weight: uint64(Running)}) {
			t.Errorf("%s: in force %v: %+v", r, ok, f)
		}
	}
	if c, err := g.Apply(t.Context(), rules); err != nil || c.Removed != 0 {
		t.Errorf("the engine's own permit counts as a stale rule: %+v, %v", c, err)
	}
	if removed, err := new(Guard).Remove(); err == nil {
		t.Errorf("another process removed %q although an engine runs", removed)
	}
	if _, err := g.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if err := override.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := find(t, overrides[0]); ok {
		t.Error("the engine's permit outlives it")
	}
	if !slices.ContainsFunc(rules, func(r Rule) bool { _, ok := find(t, r); return ok && r.Weight == Everything }) {
		t.Error("nothing blocks once the engine has gone")
	}
	if _, err := new(Guard).Remove(); err != nil {
		t.Error(err)
	}
	empty(t)
}

func TestTheCollectorDoesNotEndTheProgramWhileRulesChange(t *testing.T) {
	standIn(t)
	var collected sync.WaitGroup
	done := make(chan struct{})
	collected.Go(func() {
		var kept [][]byte
		for {
			select {
			case <-done:
				return
			default:
				kept = append(kept, make([]byte, 4096))
				if len(kept) > 1000 {
					kept = nil
				}
			}
		}
	})
	var g Guard
	programs := []firewall.Program{executable(present), executable(`C:\windows\system32\winecfg.exe`)}
	for range 20 {
		rules, _ := Plan(Policy{Allowed: programs})
		if c, err := g.Apply(t.Context(), rules); err != nil || c.Added == 0 {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := g.Remove(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	collected.Wait()
	empty(t)
}

func TestWhoChoosesFailOpenWhileTheEngineRunsHasNothingLeft(t *testing.T) {
	standIn(t)
	var g Guard
	rules, _ := Plan(Policy{})
	override, err := g.Override()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Remove(); err != nil {
		t.Error(err)
	}
	empty(t)
	if err := override.Close(); err != nil {
		t.Errorf("close what Remove has ended: %v", err)
	}
}
