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
	query, reply := forgedMessages(t)
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

// A raw socket sends to this computer's own sockets in anybody's name.
func TestAResolverForgedOnThisComputerNamesNothing(t *testing.T) {
	const silent = "10.77.0.3" // the resolver, which does not answer
	world := newWorld(t)
	conf := world.executable("resolv.conf", []byte("nameserver "+silent+"\n"))
	world.mustRun(world.outside("mount", "--bind", conf, "/etc/resolv.conf"))
	world.mustRun(world.outside("ip", "route", "add", "192.0.2.1", "via", peerAddr))
	world.mustRun(world.outside("ip", "neigh", "add", silent, "lladdr", "02:00:00:00:00:03", "dev", "vc"))
	g := world.guard(setup{})
	forger := world.program("forger")
	program := world.talk(forger)
	must(t, program, "open udp4")
	must(t, program, "bind "+clientAddr+":7000")
	query, reply := forgedMessages(t)
	must(t, program, "sendto "+silent+":53 "+string(query))
	await(t, "the question to leave", func() bool { return world.see("asked")["udp 53"] > 0 })
	datagram := append([]byte{0, 53, 7000 >> 8, 7000 & 0xff, 0, byte(8 + len(reply)), 0, 0}, reply...)
	must(t, program, packet4(silent, clientAddr, 17, 0, "", string(datagram)))
	must(t, program, "recv") // the forgery is received
	must(t, program, "open tcp4")
	program.send(t, "connect 192.0.2.1:443")
	if p := g.asked(forger); p.First.Host != "" {
		t.Errorf("192.0.2.1 is shown as %q, a forged name", p.First.Host)
	}
}

// forgedMessages are a question about a name and an answer to it.
func forgedMessages(t *testing.T) (query, reply []byte) {
	t.Helper()
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
	if reply, err = m.Pack(); err != nil {
		t.Fatal(err)
	}
	return query, reply
}
