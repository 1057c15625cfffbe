package netfilter_test

import (
	"net/netip"
	"strconv"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// In a network namespace of one's own, anybody can be the resolver.
func TestAForgedResolverInAnotherNamespaceNamesNothing(t *testing.T) {
	world := newWorld(t)
	conf := world.executable("resolv.conf", []byte("nameserver "+peerAddr+"\n"))
	world.mustRun(world.outside("mount", "--bind", conf, "/etc/resolv.conf"))
	world.mustRun(world.outside("ip", "route", "add", "192.0.2.1", "via", peerAddr))
	g := world.guard(setup{})

	path := world.program("forger")
	script := "ip link set lo up && ip addr add " + peerAddr + "/32 dev lo && exec " + path
	resolver := startChild[result](t, world.inside("unshare", "-n", "sh", "-c", script), nil)
	must(t, resolver, "open udp4")
	must(t, resolver, "bind "+peerAddr+":53")
	asker := startChild[result](t, world.inside("nsenter", "-t", strconv.Itoa(resolver.cmd.Process.Pid), "-n", "--", path), nil)
	must(t, asker, "open udp4")
	must(t, asker, "bind "+peerAddr+":40000")
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("trusted.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 77}, Questions: []dnsmessage.Question{q}}
	query, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	m.Response = true
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
		Body:   &dnsmessage.AResource{A: netip.MustParseAddr("192.0.2.1").As4()},
	}}
	reply, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	must(t, asker, "sendto "+peerAddr+":53 "+string(query))
	must(t, resolver, "recv")
	must(t, resolver, "sendto "+peerAddr+":40000 "+string(reply))
	must(t, asker, "recv")

	victim := world.program("victim")
	program := world.talk(victim)
	must(t, program, "open tcp4")
	program.send(t, "connect 192.0.2.1:443")
	if p := g.asked(victim); p.First.Host != "" {
		t.Errorf("192.0.2.1 is shown as %q, a forged name", p.First.Host)
	}
}
