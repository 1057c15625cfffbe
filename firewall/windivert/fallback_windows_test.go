package windivert

import (
	"testing"
	"testing/synctest"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/wfp"
)

// TestTheRulesOfWindowsFollowTheEngine has the rules put into force by the
// Windows Filtering Platform's library; its stand-in counts them, with provider
// and sublayer.
func TestTheRulesOfWindowsFollowTheEngine(t *testing.T) {
	count := windows.NewLazySystemDLL("fwpuclnt.dll").NewProc("StandInCount")
	if count.Find() != nil {
		left(t)
	}
	const frame, override = 2, 2
	w := newWorld(ipv4World)
	w.guard = new(wfp.Guard)
	allowed := firewall.Rule{
		ID: "allowed", Program: firewall.Program{Kind: firewall.Executable, Path: `C:\windows\system32\cmd.exe`}.ID(), Verdict: firewall.Allow,
	}
	story(t, w, func(s *site) {
		inForce := func(when string, want uintptr) {
			t.Helper()
			synctest.Wait()
			if n, _, _ := count.Call(); n != want {
				t.Errorf("%s: %d objects are in force, want %d", when, n, want)
			}
		}
		s.noted(wfp.NotShown)
		inForce("while it runs", frame+override+withoutAny+2)
		s.use(firewall.ModeLock, allowed)
		inForce("locked", frame+override+whileLocked)
		s.use(firewall.ModeAsk, allowed)
		s.end(firewall.ErrHandOver)
		inForce("handed over", frame+withoutAny+2)
		s.start()
		inForce("taken over", frame+override+withoutAny+2)
		s.open = true
		s.use(firewall.ModeAsk, allowed)
		inForce("fail open", 0)
		s.open = false
		s.use(firewall.ModeAsk, allowed)
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		inForce("stopped", 0)
	}, allowed)
}
