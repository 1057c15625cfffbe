package netfilter_test

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// What is decided of one user's process must not be known of another's.
func TestARuleForAUserIsForNoOther(t *testing.T) {
	world := newWorld(t)
	path := world.program("shared")
	g := world.guard(setup{Mode: firewall.ModeBlock, Rules: []firewall.Rule{
		{ID: "root", Program: path, Verdict: firewall.Allow, User: "0"},
	}})
	for range 2 {
		if got := world.tries(path); got != "" {
			t.Errorf("root's process says %q", got)
		}
		other := startChild[result](t, world.inside("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", path), nil)
		must(t, other, "open tcp4")
		if r := do(t, other, "connect 10.77.0.2:7000"); r.Error != "EPERM" && r.Error != "ECONNABORTED" {
			t.Errorf("another user's process says %q", r.Error)
		}
		world.end(other)
	}
	g.unasked(t)
}
