package netfilter

import (
	"net/netip"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/names"
)

// whileKnown ends a decision that depends on a name when the name is
// forgotten; the zero time is never.
func whileKnown(d firewall.Decision, until time.Time) firewall.Decision {
	if !until.IsZero() && (d.Bounds.Until.IsZero() || until.Before(d.Bounds.Until)) {
		d.Bounds.Until = until
	}
	return d
}

// maxPinned is how many names are kept for the next engine.
const maxPinned = 4096

// pinName keeps a name that verdicts depend on where the next engine finds it,
// should this one be killed: programs do not ask for it again.
func (c *cache) pinName(addr netip.Addr, name string, until time.Time) {
	h := kernelHost{Until: bootTimeOf(until)}
	words := addressWords(addr)
	if name == "" || len(name) >= len(h.Name) || c.pinned[words] == name {
		return
	}
	for i := range len(name) {
		h.Name[i] = int8(name[i])
	}
	for old := range c.pinned {
		if len(c.pinned) < maxPinned {
			break
		}
		c.unpinName(old)
	}
	if c.k.Hosts.Put(&kernelAddress{Words: words}, &h) == nil {
		c.pinned[words] = name
	}
}

func (c *cache) unpinName(words [4]uint32) {
	if _, ok := c.pinned[words]; ok {
		c.k.Hosts.Delete(&kernelAddress{Words: words})
		delete(c.pinned, words)
	}
}

// takeNames gives the table the names that an engine before kept.
func (c *cache) takeNames(t *names.Table) error {
	return each(c.k.Hosts, func(key kernelAddress, h kernelHost) {
		var name strings.Builder
		for _, b := range h.Name {
			if b == 0 {
				break
			}
			name.WriteByte(byte(b))
		}
		c.mu.Lock()
		c.pinned[key.Words] = name.String()
		c.mu.Unlock()
		t.Restore(address(key.Words), name.String(), wallClock(h.Until))
	})
}
