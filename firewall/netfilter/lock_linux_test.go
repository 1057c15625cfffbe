package netfilter_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// start runs a copy of testdata/talk up to where it is connected.
func (w *world) start(c func(string, ...string) *talker, path string, commands ...string) *talker {
	w.t.Helper()
	program := c(path)
	for _, command := range commands {
		must(w.t, program, command)
	}
	return program
}

func (w *world) talkOutside(path string, _ ...string) *talker {
	w.t.Helper()
	return startChild[result](w.t, w.outside(path), nil)
}

func (w *world) talkInside(path string, _ ...string) *talker {
	w.t.Helper()
	return w.talk(path)
}

func TestALockStopsEverythingButLoopbackAndLiftedBringsItBack(t *testing.T) {
	world := newWorld(t)
	path := world.program("good")
	g := world.guard(setup{Rules: []firewall.Rule{server("server", path, firewall.Allow)}})
	g.decide(path, firewall.Allow)
	tcp := []string{"open tcp4", "connect 10.77.0.2:7000"}
	udp := []string{"open udp4", "connect 10.77.0.2:7000"}
	type user struct {
		name    string
		program *talker
		send    string
		arrives string
	}
	users := []user{
		{"an established connection", world.start(world.talkInside, path, tcp...), "send hello", "segment 7000"},
		{"a connected datagram socket", world.start(world.talkInside, path, udp...), "send hello", "udp 7000"},
		{"a ping socket", world.start(world.talkInside, path, "open ping4"), "sendto 10.77.0.2:0 " + echoRequest4, "icmp 0"},
		{"a raw socket", world.start(world.talkInside, path, "open raw4/253"), "sendto 10.77.0.2:0 hello", "253 0"},
		{"a new datagram socket", world.start(world.talkInside, path, "open udp6"), "sendto [fd77::2]:7000 hello", "udp 7000"},
		{"a connection of a process that was moved in", world.start(world.talkOutside, path, tcp...), "send hello", "segment 7000"},
		{"datagrams of a process that was moved in", world.start(world.talkOutside, path, udp...), "send hello", "udp 7000"},
		{"a connection of a process that was moved out", world.start(world.talkInside, path, tcp...), "send hello", "segment 7000"},
	}
	for _, i := range []int{5, 6} {
		world.moveInside(users[i].program.cmd.Process.Pid)
	}
	moveOut := filepath.Join(filepath.Dir(world.cgroup), "cgroup.procs")
	if err := os.WriteFile(moveOut, []byte(strconv.Itoa(users[7].program.cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	server := world.start(world.talkInside, path, "open tcp4", "bind 10.77.0.1:7150", "listen")
	hearer := world.start(world.talkInside, path, "open udp4", "bind 10.77.0.1:7150")
	world.caller("open udp4", "sendto 10.77.0.1:7150 first") // what the kernel side knows the server by
	g.logs(path, firewall.Allow, 1)

	g.tell(request{Do: "mode", Mode: firewall.ModeLock})
	before := world.see("locked")
	for _, u := range users {
		do(t, u.program, u.send)
	}
	for _, command := range []string{"open 10.77.0.2:7151 10.77.0.1:7150", "throw 10.77.0.2:7151 10.77.0.1:7150"} {
		world.peer.send(t, command)
		world.peer.next(t)
	}
	if got := world.tries(path); got != "EPERM" {
		t.Errorf("locked, but a new connection says %q, want EPERM", got)
	}
	// TCP sends again by itself, after a fifth of a second first.
	g.await("a line of the log about each", func() bool {
		lines := map[firewall.Protocol]int{}
		for _, e := range g.entries {
			if e.Reason == firewall.ByMode && e.Verdict == firewall.Block {
				if e.Program.Path != path {
					t.Errorf("a line about %+v", e.Program)
				}
				lines[e.Protocol] += e.Count
			}
		}
		return lines[firewall.TCP] >= 8 && lines[firewall.UDP] >= 3 && lines[firewall.ICMP] >= 1 && lines[253] >= 1
	})
	after := world.see("still-locked")
	for _, what := range []string{"segment 7000", "segment 7151", "tcp 7000", "udp 7000", "icmp 0", "253 0"} {
		if after[what] != before[what] {
			t.Errorf("%d packets of %s passed the lock", after[what]-before[what], what)
		}
	}
	local := world.start(world.talkInside, path, "open tcp4", "bind 127.0.0.1:7152", "listen")
	world.start(world.talkInside, path, "open tcp4", "connect 127.0.0.1:7152", "send hello")
	must(t, local, "accept")
	if r := must(t, local, "recv"); r.Text != "hello" {
		t.Errorf("locked, loopback gives %q", r.Text)
	}

	g.tell(request{Do: "mode", Mode: firewall.ModeAsk})
	for _, u := range users {
		if u.arrives == "udp 7000" {
			must(t, u.program, u.send)
		}
		if u.arrives == "segment 7000" || u.arrives == "udp 7000" {
			if r := must(t, u.program, "recv"); r.Text != "hello" {
				t.Errorf("%s: after the lock was lifted it gives %q", u.name, r.Text)
			}
			continue
		}
		must(t, u.program, u.send)
		a := attack{u.name, nil, u.arrives, false}
		a.arrivals(t, world, after[u.arrives])
	}
	must(t, server, "accept")
	world.peer.send(t, "throw 10.77.0.2:7153 10.77.0.1:7150")
	world.peer.next(t)
	if r := must(t, hearer, "recv"); r.Text != "thrown" {
		t.Errorf("after the lock was lifted, a datagram from outside is %q", r.Text)
	}
	g.unasked(t)
}
