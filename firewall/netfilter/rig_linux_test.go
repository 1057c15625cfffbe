package netfilter_test

import "testing"

// The other tests are worth something only if this one holds.
func TestWithoutAFirewallEverythingArrives(t *testing.T) {
	world := newWorld(t)
	path := world.program("free")
	for _, way := range ways {
		program := world.talk(path)
		before := world.see("before")[way.arrives]
		for _, command := range append(append([]string{}, way.prepare...), way.held) {
			must(t, program, command)
		}
		if way.reply != "" {
			if r := must(t, program, way.reply); r.Text != "hello" {
				t.Errorf("%s: the echo is %q", way.name, r.Text)
			}
		}
		if after := world.see("after")[way.arrives]; after != before+1 {
			t.Errorf("%s: the peer saw %d packets, want 1", way.name, after-before)
		}
	}
	for _, tool := range tools {
		if out, err := world.inside(tool.program, tool.arguments...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", tool.name, err, out)
		}
	}
}
