package windivert

import (
	"net/netip"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// The first Deny of all that a program sends is not about this computer itself.
func TestTheNoteAboutLoopbackIsForRulesOfLoopbackOnly(t *testing.T) {
	story(t, newWorld(ipv4World), func(s *site) {
		local := rule("b", firewall.Block)
		local.Remote = netip.MustParsePrefix("127.0.0.1/32")
		for _, step := range []struct {
			rules []firewall.Rule
			noted bool
		}{
			{nil, false},
			{[]firewall.Rule{rule("a", firewall.Block)}, false},
			{[]firewall.Rule{rule("a", firewall.Block), local}, true},
			{[]firewall.Rule{rule("a", firewall.Block)}, false},
		} {
			s.use(firewall.ModeAsk, step.rules...)
			if noted := strings.Contains(s.notes(), "with itself is not filtered"); noted != step.noted {
				s.Errorf("rules %+v: the notes are %q", step.rules, s.notes())
			}
		}
	})
}
