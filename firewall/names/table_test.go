package names

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

var (
	client   = netip.MustParseAddrPort("10.0.0.1:40000")
	resolver = netip.MustParseAddrPort("10.0.0.53:53")
	stranger = netip.MustParseAddrPort("10.0.0.66:53")
)

// message builds a DNS message. Records are "name type value [ttl]".
func message(t testing.TB, id uint16, reply bool, question string, records ...string) []byte {
	t.Helper()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, Response: reply, RecursionDesired: true}}
	name, kind, _ := strings.Cut(question, " ")
	types := map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "MX": dnsmessage.TypeMX}
	m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: types[kind], Class: dnsmessage.ClassINET}}
	for _, r := range records {
		var owner, kind, value string
		ttl := uint32(60)
		if n, _ := fmt.Sscan(r, &owner, &kind, &value, &ttl); n < 3 {
			t.Fatalf("record %q: want name type value [ttl]", r)
		}
		h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner), Class: dnsmessage.ClassINET, TTL: ttl}
		var body dnsmessage.ResourceBody
		switch kind {
		case "A":
			body = &dnsmessage.AResource{A: netip.MustParseAddr(value).As4()}
		case "AAAA":
			body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(value).As16()}
		case "CNAME":
			body = &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(value)}
		case "TXT":
			body = &dnsmessage.TXTResource{TXT: []string{value}}
		default:
			t.Fatalf("record %q: unknown type", r)
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// out and in are packets as the asking program's side sees them.
func out(to netip.AddrPort, payload []byte) packet.Packet {
	return packet.Packet{Flow: firewall.Flow{Protocol: firewall.UDP, Local: client, Remote: to}, Payload: payload}
}

func in(from netip.AddrPort, payload []byte) packet.Packet {
	p := out(from, payload)
	p.Flow.Direction = firewall.In
	return p
}

func newTable(o Options) *Table {
	o.IsResolver = func(a netip.Addr) bool { return a == resolver.Addr() }
	return NewTable(o)
}

// resolve asks and answers.
func resolve(t testing.TB, table *Table, question string, records ...string) {
	t.Helper()
	table.See(out(resolver, message(t, 7, false, question)))
	table.See(in(resolver, message(t, 7, true, question, records...)))
}

func lookup(table *Table, addr string) string { return table.Lookup(netip.MustParseAddr(addr)) }

func TestTheNameIsTheOneThatWasAskedFor(t *testing.T) {
	for _, test := range []struct {
		name, question string
		records        []string
		addr, want     string
	}{
		{"ipv4", "Example.ORG. A", []string{"example.org. A 192.0.2.1"}, "192.0.2.1", "example.org"},
		{"ipv6", "example.org. AAAA", []string{"example.org. AAAA 2001:db8::1"}, "2001:db8::1", "example.org"},
		{"several addresses", "example.org. A", []string{"example.org. A 192.0.2.1", "example.org. A 192.0.2.2"}, "192.0.2.2", "example.org"},
		{"an alias", "www.example.org. A", []string{"www.example.org. CNAME cdn.example.net.", "cdn.example.net. A 192.0.2.1"}, "192.0.2.1", "www.example.org"},
		{"aliases in any order", "a.org. A", []string{"c.org. A 192.0.2.1", "b.org. CNAME c.org.", "a.org. CNAME b.org."}, "192.0.2.1", "a.org"},
		{"aliases in a circle", "a.org. A", []string{"a.org. CNAME b.org.", "b.org. CNAME a.org.", "b.org. A 192.0.2.1"}, "192.0.2.1", "a.org"},
		{"a record of another name", "a.org. A", []string{"b.org. A 192.0.2.1"}, "192.0.2.1", ""},
		{"other records between", "a.org. A", []string{"a.org. TXT hello", "a.org. A 192.0.2.1"}, "192.0.2.1", "a.org"},
		{"v4-mapped", "a.org. A", []string{"a.org. A 192.0.2.1"}, "::ffff:192.0.2.1", "a.org"},
		{"no question for addresses", "a.org. MX", []string{"a.org. A 192.0.2.1"}, "192.0.2.1", ""},
		{"a name that would move the cursor", "\x1b[2Ja.org. A", []string{"\x1b[2Ja.org. A 192.0.2.1"}, "192.0.2.1", ""},
		{"no answer", "a.org. A", nil, "192.0.2.1", ""},
	} {
		table := newTable(Options{})
		resolve(t, table, test.question, test.records...)
		if got := lookup(table, test.addr); got != test.want {
			t.Errorf("%s: %s is %q, want %q", test.name, test.addr, got, test.want)
		}
	}
}

func TestOnlyTheAnswerToAQuestionSeenCounts(t *testing.T) {
	const question, record = "a.org. A", "a.org. A 192.0.2.1"
	query := message(t, 7, false, question)
	good := message(t, 7, true, question, record)
	for _, test := range []struct {
		name           string
		query, reply   packet.Packet
		resolvesToAOrg bool
	}{
		{"the answer", out(resolver, query), in(resolver, good), true},
		{"from a resolver that is not configured", out(stranger, query), in(stranger, good), false},
		{"from somebody else", out(resolver, query), in(stranger, good), false},
		{"from another port of the resolver", out(resolver, query), in(netip.AddrPortFrom(resolver.Addr(), 54), good), false},
		{"with another id", out(resolver, query), in(resolver, message(t, 8, true, question, record)), false},
		{"with another name", out(resolver, query), in(resolver, message(t, 7, true, "b.org. A", "b.org. A 192.0.2.1")), false},
		{"with another type", out(resolver, query), in(resolver, message(t, 7, true, "a.org. AAAA", record)), false},
		{"going out", out(resolver, query), out(resolver, good), false},
		{"a question coming in", out(resolver, query), in(resolver, query), false},
	} {
		table := newTable(Options{})
		table.See(test.query)
		table.See(test.reply)
		if got := lookup(table, "192.0.2.1") == "a.org"; got != test.resolvesToAOrg {
			t.Errorf("%s: counted %v, want %v", test.name, got, test.resolvesToAOrg)
		}
	}
}

func TestASecondAnswerDoesNotCount(t *testing.T) {
	table := newTable(Options{})
	resolve(t, table, "a.org. A", "a.org. A 192.0.2.1")
	table.See(in(resolver, message(t, 7, true, "a.org. A", "a.org. A 192.0.2.2")))
	if got := lookup(table, "192.0.2.2"); got != "" {
		t.Errorf("a forged second answer named the address %q", got)
	}
}

func TestAWrongAnswerDoesNotSpoilTheRightOne(t *testing.T) {
	table := newTable(Options{})
	table.See(out(resolver, message(t, 7, false, "a.org. A")))
	table.See(in(resolver, message(t, 7, true, "b.org. A", "b.org. A 192.0.2.2")))
	table.See(in(resolver, message(t, 7, true, "a.org. A", "a.org. A 192.0.2.1")))
	if got := lookup(table, "192.0.2.1"); got != "a.org" {
		t.Errorf("the name is %q, want a.org", got)
	}
}

func TestAStubResolverHereIsSeenFromBothEnds(t *testing.T) {
	stub := netip.MustParseAddrPort("127.0.0.53:53")
	program := netip.MustParseAddrPort("127.0.0.1:40000")
	table := NewTable(Options{IsResolver: func(a netip.Addr) bool { return a == stub.Addr() }})
	see := func(local, remote netip.AddrPort, d firewall.Direction, b []byte) {
		table.See(packet.Packet{Flow: firewall.Flow{Protocol: firewall.UDP, Direction: d, Local: local, Remote: remote}, Payload: b})
	}
	query, reply := message(t, 7, false, "a.org. A"), message(t, 7, true, "a.org. A", "a.org. A 192.0.2.1")
	see(program, stub, firewall.Out, query)
	see(stub, program, firewall.In, query)
	see(stub, program, firewall.Out, reply)
	see(program, stub, firewall.In, reply)
	if got := lookup(table, "192.0.2.1"); got != "a.org" {
		t.Errorf("the name is %q, want a.org", got)
	}
}

func TestAnAnswerOverTCPCounts(t *testing.T) {
	table := newTable(Options{})
	framed := func(p packet.Packet) packet.Packet {
		p.Flow.Protocol = firewall.TCP
		p.Payload = append(binary.BigEndian.AppendUint16(nil, uint16(len(p.Payload))), p.Payload...)
		return p
	}
	table.See(framed(out(resolver, message(t, 7, false, "a.org. A"))))
	table.See(framed(in(resolver, message(t, 7, true, "a.org. A", "a.org. A 192.0.2.1"))))
	if got := lookup(table, "192.0.2.1"); got != "a.org" {
		t.Errorf("the name is %q, want a.org", got)
	}
}

func TestATruncatedAnswerGivesWhatItHolds(t *testing.T) {
	table := newTable(Options{})
	reply := message(t, 7, true, "a.org. A", "a.org. A 192.0.2.1", "a.org. A 192.0.2.2")
	table.See(out(resolver, message(t, 7, false, "a.org. A")))
	table.See(in(resolver, reply[:len(reply)-3]))
	if got := lookup(table, "192.0.2.1"); got != "a.org" {
		t.Errorf("the name is %q, want a.org", got)
	}
}

func TestAChangedNameIsTold(t *testing.T) {
	var changes []string
	var table *Table
	table = newTable(Options{Changed: func(a netip.Addr) { changes = append(changes, a.String()+" "+table.Lookup(a)) }})
	resolve(t, table, "a.org. A", "a.org. A 192.0.2.1")
	resolve(t, table, "a.org. A", "a.org. A 192.0.2.1")
	resolve(t, table, "b.org. A", "b.org. A 192.0.2.1")
	if want := []string{"192.0.2.1 a.org", "192.0.2.1 b.org"}; !slices.Equal(changes, want) {
		t.Errorf("changes %q, want %q", changes, want)
	}
}

func TestANameIsKeptForABoundedTime(t *testing.T) {
	for _, test := range []struct {
		ttl  int
		want time.Duration
	}{{0, time.Minute}, {90, 90 * time.Second}, {1 << 30, time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			table := newTable(Options{MinAge: time.Minute, MaxAge: time.Hour})
			resolve(t, table, "a.org. A", fmt.Sprint("a.org. A 192.0.2.1 ", test.ttl))
			time.Sleep(test.want - time.Nanosecond)
			if got := lookup(table, "192.0.2.1"); got != "a.org" {
				t.Errorf("ttl %d: forgotten too early", test.ttl)
			}
			time.Sleep(time.Nanosecond)
			if got := lookup(table, "192.0.2.1"); got != "" {
				t.Errorf("ttl %d: still %q after %v", test.ttl, got, test.want)
			}
		})
	}
}

func TestALateAnswerDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable(Options{})
		table.See(out(resolver, message(t, 7, false, "a.org. A")))
		time.Sleep(30 * time.Second)
		table.See(in(resolver, message(t, 7, true, "a.org. A", "a.org. A 192.0.2.1")))
		if got := lookup(table, "192.0.2.1"); got != "" {
			t.Errorf("an answer after 30 s named the address %q", got)
		}
	})
}

func TestAFloodOfNamesIsBounded(t *testing.T) {
	var gone []netip.Addr
	table := newTable(Options{MaxAddresses: 10, MaxQuestions: 5})
	table.options.Changed = func(a netip.Addr) {
		if table.Lookup(a) == "" {
			gone = append(gone, a)
		}
	}
	for i := range 100 {
		resolve(t, table, "a.org. A", fmt.Sprintf("a.org. A 192.0.2.%d", i))
		table.See(out(resolver, message(t, uint16(1000+i), false, "b.org. A")))
	}
	if len(table.names) != 10 || table.namesByUse.Len() != 10 || len(table.questions.asked) != 3 {
		t.Errorf("%d names and %d questions are kept, want 10 and, as two of the last 5 were answered, 3", len(table.names), len(table.questions.asked))
	}
	if lookup(table, "192.0.2.89") != "" || lookup(table, "192.0.2.90") != "a.org" {
		t.Error("the names answered longest ago should go first")
	}
	if len(gone) != 90 {
		t.Errorf("%d lost names were told, want 90", len(gone))
	}
}

func FuzzSee(f *testing.F) {
	query := message(f, 7, false, "a.org. A")
	reply := message(f, 7, true, "a.org. A", "a.org. CNAME b.org.", "b.org. A 192.0.2.1")
	f.Add(query, reply)
	f.Add(query, reply[:len(reply)-2])
	f.Add(message(f, 7, false, "a.org. AAAA"), message(f, 7, true, "a.org. AAAA", "a.org. AAAA 2001:db8::1"))
	f.Add(query, append(reply[:12:12], 0xc0, 12, 0, 1, 0, 1, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12)) // names that point at themselves
	f.Add([]byte{}, []byte{0, 7, 0x80})
	f.Fuzz(func(t *testing.T, query, reply []byte) {
		table := newTable(Options{MaxAddresses: 8})
		table.options.Changed = func(a netip.Addr) {
			name := table.Lookup(a)
			_, q, ok := parseQuestion(query)
			if !ok || name != "" && name != hostName(q.name) {
				t.Fatalf("the name %q was not asked for", name)
			}
			for i := range len(name) {
				if name[i] <= ' ' || name[i] >= 0x7f || name[i] >= 'A' && name[i] <= 'Z' {
					t.Fatalf("the name %q has bytes that are not shown", name)
				}
			}
		}
		table.See(out(resolver, query))
		table.See(in(resolver, reply))
		if len(table.names) > 8 {
			t.Fatalf("%d names are kept", len(table.names))
		}
	})
}

func TestARestoredNameHoldsUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Options{})
		addr := netip.MustParseAddr("192.0.2.1")
		end := time.Now().Add(time.Hour)
		table.Restore(addr, "old.example", end)
		if name, until := table.Known(addr); name != "old.example" || !until.Equal(end) {
			t.Errorf("restored, the name is %q until %v", name, until)
		}
		time.Sleep(time.Hour)
		if name := table.Lookup(addr); name != "" {
			t.Errorf("at its end the name is still %q", name)
		}
		table.Restore(addr, "over.example", end)
		table.Restore(addr, "forever.example", time.Now().Add(1000*time.Hour))
		if name := table.Lookup(addr); name != "" {
			t.Errorf("a name that is over or has no sensible end is restored: %q", name)
		}
	})
}
