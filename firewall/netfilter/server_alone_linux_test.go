package netfilter_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// While no engine runs, who was decided stays so; who was not is not let in, or
// is, as the person chose.
func TestServersWhileNoEngineRuns(t *testing.T) {
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprint("fail open ", open), func(t *testing.T) {
			world := newWorld(t)
			good, bad, unknown := world.program("good"), world.program("bad"), world.program("unknown")
			g := world.guard(setup{FailOpen: open, Rules: []firewall.Rule{server("good", good, firewall.Allow), server("bad", bad, firewall.Block)}})
			servers := make(map[string]*talker)
			for i, path := range []string{good, bad, unknown} {
				servers[path+" tcp"] = world.start(world.talkInside, path, "open tcp4", fmt.Sprint("bind 10.77.0.1:", 7350+i), "listen", "set nonblocking 1")
				servers[path+" udp"] = world.start(world.talkInside, path, "open udp4", fmt.Sprint("bind 10.77.0.1:", 7350+i), "set nonblocking 1")
			}
			// Known to the kernel.
			world.caller("open tcp4", "connect 10.77.0.1:7350", "close", "open udp4", "sendto 10.77.0.1:7350 a")
			world.caller("open udp4", "sendto 10.77.0.1:7351 a")
			knock := world.caller("open tcp4")
			knock.send(t, "connect 10.77.0.1:7351")
			g.logs(bad, firewall.Block, 2)
			g.logs(good, firewall.Allow, 2)
			must(t, servers[good+" tcp"], "accept")
			g.kill()
			await(t, "the kernel to find that the engine is gone", func() bool {
				world.caller("open udp4", "sendto 10.77.0.1:7352 b")
				r := do(t, servers[unknown+" udp"], "recv")
				return open == (r.Error == "") || !open
			})
			world.caller("open tcp4", "connect 10.77.0.1:7350")
			caller := world.caller("open udp4", "sendto 10.77.0.1:7350 b", "sendto 10.77.0.1:7351 b")
			world.see("sent")
			if r := do(t, servers[good+" udp"], "recv"); r.Error != "" {
				t.Errorf("the allowed server of datagrams: %s", r.Error)
			}
			if r := do(t, servers[bad+" udp"], "recv"); r.Error != "EAGAIN" {
				t.Errorf("the blocked server of datagrams received %q (%s)", r.Text, r.Error)
			}
			must(t, caller, "close")
			tries := world.caller("open tcp4", "set nonblocking 1")
			do(t, tries, "connect 10.77.0.1:7352")
			if open {
				await(t, "the connection", func() bool { return do(t, servers[unknown+" tcp"], "accept").Error == "" })
				return
			}
			// What arrives later shows that the earlier would have arrived.
			world.caller("open tcp4", "connect 10.77.0.1:7350")
			if r := do(t, servers[unknown+" tcp"], "accept"); r.Error != "EAGAIN" {
				t.Errorf("an unknown server was called: %+v", r)
			}
			if r := do(t, servers[unknown+" udp"], "recv"); r.Error != "EAGAIN" {
				t.Errorf("an unknown server of datagrams received %q (%s)", r.Text, r.Error)
			}
		})
	}
}

// A connection that carries something with its first segment is not let in
// before the answer either.
func TestWhatAFastOpenCarriesWaitsForTheAnswer(t *testing.T) {
	world := newWorld(t)
	allow := func(number string) string { return "echo " + number + " > /proc/sys/net/ipv4/tcp_fastopen" }
	world.mustRun(world.outside("sh", "-c", allow("0x603"))) // every server, without a cookie
	world.mustRun(exec.Command("nsenter", "-t", strconv.Itoa(world.peer.cmd.Process.Pid), "-n", "--", "sh", "-c", allow("0x5")))
	call := []string{"open tcp4", "set fastopen 1", "set nonblocking 1"}
	listen := []string{"open tcp4", "bind 10.77.0.1:7360", "listen", "set nonblocking 1"}
	program := world.start(world.talkInside, world.program("free"), listen...)
	caller := world.caller(call...)
	do(t, caller, "connect 10.77.0.1:7360")
	must(t, caller, "send hello")
	await(t, "the connection without a firewall", func() bool { return do(t, program, "accept").Error == "" })
	world.end(program)
	world.end(caller)

	g := world.guard(setup{})
	path := world.program("server")
	listen[1] = "bind 10.77.0.1:7361"
	program = world.start(world.talkInside, path, listen...)
	caller = world.caller(call...)
	do(t, caller, "connect 10.77.0.1:7361")
	do(t, caller, "send hello")
	p := g.calledBy(path, "10.77.0.2", "10.77.0.1:7361")
	if r := do(t, program, "accept"); r.Error != "EAGAIN" {
		t.Errorf("let in before the answer: %+v", r)
	}
	g.admit(p, firewall.Allow, firewall.ScopeProgram)
	await(t, "the connection", func() bool { return do(t, program, "accept").Error == "" })
	await(t, "what it carried", func() bool { return do(t, program, "recv").Text == "hello" })
}
