package windivert

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// testRow is a row as a test writes it.
type testRow struct {
	state         uint32
	local, remote string
	pid           uint32
}

// table writes a table as Windows lays it out.
func table(l layout, rows ...testRow) []byte {
	b := make([]byte, tableHead+len(rows)*l.size)
	binary.NativeEndian.PutUint32(b, uint32(len(rows)))
	for i, r := range rows {
		row := b[tableHead+i*l.size:]
		put := func(address, port int, s string) {
			if s == "" {
				return
			}
			ap := netip.MustParseAddrPort(s)
			copy(row[address:], ap.Addr().AsSlice())
			binary.BigEndian.PutUint16(row[port:], ap.Port())
		}
		binary.NativeEndian.PutUint32(row[l.pid:], r.pid)
		put(l.local, l.port, r.local)
		if l.protocol == firewall.TCP {
			binary.NativeEndian.PutUint32(row[l.state:], r.state)
			put(l.remote, l.toPort, r.remote)
		}
	}
	return b
}

func parsed(t *testing.T, tables ...[]tableRow) (all []tableRow) {
	t.Helper()
	for _, rows := range tables {
		all = append(all, rows...)
	}
	setDirections(all)
	return all
}

func mustParse(t *testing.T, l layout, rows ...testRow) []tableRow {
	t.Helper()
	got, err := l.parse(table(l, rows...))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The first row of `netstat -ano` on a computer, byte by byte as the system
// gives it: 10.0.2.15:49712 → 93.184.216.34:443, established, process 4660.
func TestATableOfWindowsIsRead(t *testing.T) {
	golden := make([]byte, tableHead+160)
	copy(golden, []byte{1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 10, 0, 2, 15, 0xc2, 0x30, 0, 0, 93, 184, 216, 34, 0x01, 0xbb, 0, 0, 0x34, 0x12, 0, 0})
	rows, err := tcp4Layout.parse(golden)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%+v, %v", rows, err)
	}
	r := rows[0]
	if r.Local.String() != "10.0.2.15:49712" || r.Remote.String() != "93.184.216.34:443" || r.pid != 0x1234 || r.listening || len(r.raw) != 160 || &r.raw[0] != &golden[tableHead] {
		t.Errorf("read %+v", r)
	}
}

func TestWhoOwnsAFlow(t *testing.T) {
	rows := parsed(t,
		mustParse(t, tcp4Layout,
			testRow{5, "10.0.0.1:1000", "1.1.1.1:443", 10}, testRow{3, "10.0.0.1:1001", "1.1.1.1:443", 11},
			testRow{stateListen, "0.0.0.0:80", "", 20}, testRow{stateListen, "10.0.0.1:80", "", 21},
			testRow{5, "10.0.0.1:80", "9.9.9.9:5000", 21}, testRow{stateTimeWait, "10.0.0.1:1002", "1.1.1.1:443", 0}),
		mustParse(t, tcp6Layout, testRow{5, "[2001:db8::1]:1000", "[2001:db8::2]:443", 12}, testRow{stateListen, "[::]:8080", "", 22}),
		mustParse(t, udp4Layout, testRow{0, "0.0.0.0:53", "", 30}, testRow{0, "10.0.0.1:53", "", 31},
			testRow{0, "0.0.0.0:5353", "", 32}, testRow{0, "0.0.0.0:5353", "", 33}, testRow{0, "0.0.0.0:500", "", 35}, testRow{0, "0.0.0.0:500", "", 35}),
		mustParse(t, udp6Layout, testRow{0, "[::]:6000", "", 34}),
	)
	flow := func(p firewall.Protocol, d firewall.Direction, local, remote string) firewall.Flow {
		return firewall.Flow{Protocol: p, Direction: d, Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
	}
	const tcp, udp, out, in = firewall.TCP, firewall.UDP, firewall.Out, firewall.In
	for _, test := range []struct {
		what string
		flow firewall.Flow
		pid  uint32 // 0: nobody
	}{
		{"a connection", flow(tcp, out, "10.0.0.1:1000", "1.1.1.1:443"), 10},
		{"one that is being opened", flow(tcp, out, "10.0.0.1:1001", "1.1.1.1:443"), 11},
		{"one of the same port to elsewhere", flow(tcp, out, "10.0.0.1:1000", "1.1.1.2:443"), 0},
		{"one that is over", flow(tcp, out, "10.0.0.1:1002", "1.1.1.1:443"), 0},
		{"from outside, to the listener of that address", flow(tcp, in, "10.0.0.1:80", "8.8.8.8:1"), 21},
		{"from outside, to the listener of all addresses", flow(tcp, in, "10.0.0.2:80", "8.8.8.8:1"), 20},
		{"a listener opens nothing", flow(tcp, out, "10.0.0.2:80", "8.8.8.8:1"), 0},
		{"IPv6", flow(tcp, out, "[2001:db8::1]:1000", "[2001:db8::2]:443"), 12},
		{"IPv4 to a listener of both", flow(tcp, in, "10.0.0.1:8080", "8.8.8.8:1"), 22},
		{"UDP of one address", flow(udp, out, "10.0.0.1:53", "1.1.1.1:53"), 31},
		{"UDP of any address", flow(udp, out, "10.0.0.2:53", "1.1.1.1:53"), 30},
		{"UDP of one process with two sockets", flow(udp, out, "10.0.0.2:500", "1.1.1.1:500"), 35},
		{"UDP of IPv4 by a socket of IPv6", flow(udp, out, "10.0.0.1:6000", "1.1.1.1:53"), 34},
		{"UDP of two processes at one port", flow(udp, in, "10.0.0.1:5353", "1.1.1.1:5353"), 0},
		{"ICMP", flow(firewall.ICMP, out, "10.0.0.1:0", "1.1.1.1:0"), 0},
		{"no address", firewall.Flow{Protocol: udp}, 0},
	} {
		r, ok := find(rows, test.flow)
		if ok != (test.pid != 0) || ok && r.pid != test.pid {
			t.Errorf("%s: process %d, %v; want %d", test.what, r.pid, ok, test.pid)
		}
	}
	for port, want := range map[string]bool{"8080": true, "1000": false, "5353": false, "9": false} {
		if got := taken(rows, flow(tcp, in, "10.0.0.9:"+port, "8.8.8.8:1")); got != want {
			t.Errorf("TCP port %s is taken: %v", port, got)
		}
	}
	if !taken(rows, flow(udp, in, "224.0.0.251:5353", "8.8.8.8:1")) {
		t.Error("what is sent to many reaches nobody")
	}
	for _, r := range rows {
		if want := r.listening || r.Remote.Addr() == netip.MustParseAddr("9.9.9.9"); (r.Direction == in) != want {
			t.Errorf("direction of %+v", r)
		}
	}
}

// FuzzTable: no table makes the reader panic, or read beyond it.
func FuzzTable(f *testing.F) {
	layouts := []layout{tcp4Layout, tcp6Layout, udp4Layout, udp6Layout}
	for i, l := range layouts {
		f.Add(uint8(i), table(l, testRow{5, "1.2.3.4:5", "", 6}, testRow{stateListen, "", "", 7}))
	}
	f.Add(uint8(0), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		l := layouts[which%4]
		rows, err := l.parse(b)
		if err != nil && rows != nil {
			t.Fatal("rows and an error")
		}
		if len(rows)*l.size > len(b) {
			t.Fatalf("%d rows of %d bytes", len(rows), len(b))
		}
		for _, r := range rows {
			if len(r.raw) != l.size || !r.Local.Addr().IsValid() {
				t.Fatalf("row %+v", r)
			}
		}
		setDirections(rows)
		find(rows, firewall.Flow{Protocol: firewall.TCP})
	})
}
