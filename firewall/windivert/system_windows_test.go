package windivert

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// connected makes a connection of this process with itself.
func connected(t *testing.T, address string) (listener netip.AddrPort, out firewall.Flow) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	end := func(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }
	return end(l.Addr()), firewall.Flow{Protocol: firewall.TCP, Local: end(c.LocalAddr()), Remote: end(c.RemoteAddr())}
}

func isWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// Wine knows the process of what a program opened over IPv4, and of nothing
// else: there, the other rows belong to nobody.
func TestTheSystemKnowsWhoseAConnectionIs(t *testing.T) {
	sys := newSystem()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		listener, out := connected(t, address)
		in := firewall.Flow{Protocol: firewall.TCP, Direction: firewall.In, Local: out.Remote, Remote: out.Local}
		all, err := sys.connections()
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string]connection{
			"the listener": {Flow: firewall.Flow{Protocol: firewall.TCP, Direction: firewall.In, Local: listener}, listening: true},
			"the client":   {Flow: out}, "the server": {Flow: in},
		} {
			if !isWine() || what == "the client" && listener.Addr().Is4() {
				want.pid = uint32(os.Getpid())
			}
			if !slices.Contains(all, want) {
				t.Errorf("%s: %s is not in the list: %+v\n%+v", address, what, want, all)
			}
			if want.listening {
				continue
			}
			// That there is a socket for what comes from outside is told also where
			// it is not told whose.
			there := want.pid != 0 || want.Direction == firewall.In
			if pid, ok := sys.owner(want.Flow); ok != there || pid != want.pid {
				t.Errorf("%s: %s is process %d, %v; want %d", address, what, pid, ok, want.pid)
			}
		}
	}
}

func TestTheSystemKnowsWhoseADatagramIs(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0"} {
		c, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		local := netip.MustParseAddrPort(c.LocalAddr().String())
		if local.Addr().IsUnspecified() {
			local = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), local.Port())
		}
		f := firewall.Flow{Protocol: firewall.UDP, Local: local, Remote: local}
		if pid, ok := newSystem().owner(f); !ok || pid != uint32(os.Getpid()) {
			t.Errorf("%s: process %d, %v; want %d", address, pid, ok, os.Getpid())
		}
		f.Direction = firewall.In
		if pid, ok := newSystem().owner(f); !ok || pid != uint32(os.Getpid()) {
			t.Errorf("%s, from outside: process %d, %v; want %d", address, pid, ok, os.Getpid())
		}
		c.Close()
		if pid, ok := newSystem().owner(f); ok {
			t.Errorf("%s: closed, and still of process %d", address, pid)
		}
	}
}

func TestTheProgramOfAConnectionIsIdentified(t *testing.T) {
	_, out := connected(t, "127.0.0.1:0")
	self, _ := os.Executable()
	p, uid := newSystem().identify(uint32(os.Getpid()), out, time.Now())
	if p.Kind != firewall.Executable || !strings.EqualFold(p.Path, self) || p.Started.IsZero() || uid != -1 {
		t.Errorf("%+v, user %d; want %s", p, uid, self)
	}
	if p, _ := newSystem().identify(0, out, time.Now()); p.ID() != "" {
		t.Errorf("process 0 is %+v", p)
	}
}

func TestConnectionsOfIPv6AreCutByOthers(t *testing.T) {
	_, out := connected(t, "[::1]:0")
	if err := newSystem().cut(out); !errors.Is(err, errCannotCut) {
		t.Errorf("cut: %v", err)
	}
	if err := newSystem().cut(firewall.Flow{Protocol: firewall.UDP, Local: out.Local, Remote: out.Remote}); !errors.Is(err, errCannotCut) {
		t.Errorf("cut UDP: %v", err)
	}
	row := tcpRow(firewall.Flow{Local: netip.MustParseAddrPort("10.0.2.15:49712"), Remote: netip.MustParseAddrPort("93.184.216.34:443")}, stateDelete)
	if want := [5]uint32{12, 0x0f02000a, 0x30c2, 0x22d8b85d, 0xbb01}; row != want {
		t.Errorf("the entry is %x, want %x", row, want)
	}
}

func TestResolversAreAddresses(t *testing.T) {
	for _, r := range newSystem().resolvers() {
		if !r.IsValid() || r.IsUnspecified() || r.Is4In6() || assumedResolvers.Contains(r) {
			t.Errorf("resolver %s", r)
		}
	}
	t.Logf("resolvers: %v", newSystem().resolvers())
}
