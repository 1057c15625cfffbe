package netfilter_test

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// A connection that both ends open at once needs no segment that only opens.
func TestAHeldConnectionIsNotOpenedFromTheOtherEnd(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("accomplice")
	program := world.talk(path)
	must(t, program, "open tcp4")
	must(t, program, "bind 10.77.0.1:7140")
	program.send(t, "connect 10.77.0.2:7141")
	p := g.asked(path)
	world.peer.send(t, "open 10.77.0.2:7141 10.77.0.1:7140")
	world.peer.next(t)
	if !program.silent() {
		t.Errorf("connected before the answer: %+v", program.next(t))
	}
	if seen := world.see("held")["segment 7141"]; seen != 0 {
		t.Errorf("%d segments answered the other end", seen)
	}
	g.remember(p, firewall.Block)
	if r := program.next(t); r.Error != "ECONNABORTED" {
		t.Errorf("blocked, but connect says %q", r.Error)
	}
}
