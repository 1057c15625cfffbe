package windivert

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

// dialer has a program of the world connect.
func (w *world) dialer() dialer {
	pid := w.start("selfcheck")
	return dialer{pid, func(ctx context.Context, remote netip.AddrPort) error {
		if remote.Addr().Is4() != w.local.Is4() {
			return syscall.ENETUNREACH
		}
		s := w.dial(pid, remote)
		<-s.done
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err != nil && s.err.Error() == "connection refused" {
			return syscall.ECONNREFUSED
		}
		return s.err
	}}
}

// check runs a self-check and returns the points' results.
func (w *world) check(t *testing.T, c Check) (results []Result, told string) {
	t.Helper()
	err := selfCheck(t.Context(), w.driver, w.dialer(), c, func(p Point) {
		results = append(results, p.Result)
		told += p.Result.String() + ": " + p.Name + ": " + p.Detail + "\n"
	})
	if err != nil {
		t.Error(err)
	}
	if n := w.driver.count(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
	return results, told
}

func TestASelfCheckGoesThroughWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ipv4World)
		asleep := false
		results, told := w.check(t, Check{Server: w.destination(1), Sleep: func(context.Context) bool { asleep = true; return true }})
		if want := []Result{Pass, Pass, NotChecked, Pass, Pass, Pass, NotChecked}; !slices.Equal(results, want) || !asleep {
			t.Errorf("got %v, want %v:\n%s", results, want, told)
		}
		if !strings.Contains(told, "connected after 10") {
			t.Errorf("nothing was held for ten seconds:\n%s", told)
		}
	})
}

func TestASelfCheckWithoutServerAndPersonSaysWhatItLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ipv6World)
		results, told := w.check(t, Check{})
		if want := []Result{Pass, NotChecked, Pass, NotChecked, NotChecked, NotChecked, NotChecked}; !slices.Equal(results, want) {
			t.Errorf("got %v, want %v:\n%s", results, want, told)
		}
	})
}

func TestASelfCheckFailsWhereNoEventsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ipv4World)
		w.mute = true
		results, told := w.check(t, Check{})
		if results[1] != Fail || !strings.Contains(told, "event seen: false, packet seen: true") {
			t.Errorf("got %v:\n%s", results, told)
		}
	})
}

func TestASelfCheckWithoutADriverSaysSo(t *testing.T) {
	w := newWorld(ipv4World)
	w.driver.refused = errNoDriver
	results, told := w.check(t, Check{})
	if !slices.Equal(results, []Result{Fail}) || !strings.Contains(told, errNoDriver.Error()) {
		t.Errorf("got %v:\n%s", results, told)
	}
}

// TestOthersPassWhileAComputerIsChecked has a program that connects meanwhile.
func TestOthersPassWhileAComputerIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ipv4World)
		watch, err := openWatch(w.driver)
		if err != nil {
			t.Fatal(err)
		}
		defer watch.close()
		other := w.dial(w.start("other"), w.destination(0))
		<-other.done
		if other.err != nil {
			t.Error(other.err)
		}
		synctest.Wait()
	})
}
