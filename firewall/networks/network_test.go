package networks

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestANetworkIsRecognisedByItsGateway(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	routes := []route{
		{prefix("0.0.0.0/0"), addr("192.168.1.1"), 2}, {prefix("192.168.1.0/24"), netip.Addr{}, 2}, {prefix("169.254.0.0/16"), netip.Addr{}, 2},
		{prefix("10.9.0.0/16"), addr("192.168.1.7"), 2}, // behind another router
		{prefix("::/0"), addr("fe80::1"), 2}, {prefix("2001:db8:1::/64"), netip.Addr{}, 2}, {prefix("fe80::/64"), netip.Addr{}, 2},
		{prefix("::/0"), addr("fe80::2"), 3}, {prefix("2001:db8:2::/64"), netip.Addr{}, 3}, {prefix("2001:db8:2::5/128"), netip.Addr{}, 3},
		{prefix("172.17.0.0/16"), netip.Addr{}, 4},                                          // a bridge that leads nowhere
		{prefix("0.0.0.0/0"), netip.Addr{}, 5},                                              // a tunnel
		{prefix("0.0.0.0/0"), addr("10.0.0.1"), 6}, {prefix("10.0.0.0/8"), netip.Addr{}, 6}, // not met yet
		{},
	}
	neighbours := []neighbour{
		{2, addr("192.168.1.1"), "00:00:5e:00:53:01"}, {2, addr("fe80::1"), "00:00:5e:00:53:09"}, {3, addr("fe80::2"), "00:00:5e:00:53:02"},
		{6, addr("10.0.0.9"), "00:00:5e:00:53:03"}, {2, addr("10.0.0.1"), "00:00:5e:00:53:04"},
	}
	var got []string
	for _, n := range gather(routes, neighbours, func(i int) string { return fmt.Sprint("eth", i) }) {
		got = append(got, fmt.Sprintf("%s %v %v [%s]", n.Interface, n.Gateway, n.Prefixes, n.ID()))
	}
	want := []string{
		"eth2 192.168.1.1 [192.168.1.0/24 2001:db8:1::/64] [00:00:5e:00:53:01 192.168.1.0/24]",
		"eth3 fe80::2 [2001:db8:2::/64] [00:00:5e:00:53:02 ipv6]",
		"eth6 10.0.0.1 [10.0.0.0/8] []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%q\nwant:\n%q", got, want)
	}
}
