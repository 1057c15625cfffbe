package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/networks"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// watchNetworks follows which networks this computer is on, until ctx ends. If
// it cannot, the computer counts as being on none: nothing is trusted.
func (c *Control) watchNetworks(ctx context.Context) error {
	attach := func(list []networks.Network) {
		if err := c.attach(ctx, list); err != nil {
			slog.Warn("follow the networks that this computer is on", "error", err)
		}
	}
	if err := networks.Watch(ctx, attach); err != nil {
		slog.Error("the networks that this computer is on are not known", "error", err)
		attach(nil)
		<-ctx.Done()
	}
	return nil
}

// attach takes note of the networks that this computer is on now. Who changed
// the zones is nobody: it is not written as a change.
func (c *Control) attach(ctx context.Context, list []networks.Network) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.attached.Store(&list)
	stored, err := c.store.Networks()
	if err != nil {
		return err
	}
	var put []persistence.Network
	now := time.Now()
	for _, n := range list {
		if n.ID() == "" {
			continue
		}
		i := slices.IndexFunc(stored, func(s persistence.Network) bool { return s.ID == n.ID() })
		s := persistence.Network{ID: n.ID(), First: now}
		if i >= 0 {
			s = stored[i]
		}
		s.Name, s.Prefixes, s.Last = n.Interface, n.Prefixes, now
		put = append(put, s)
	}
	if len(put) > 0 {
		if err := c.store.PutNetworks(put); err != nil {
			return err
		}
	}
	zones, err := c.zones()
	if err != nil {
		return err
	}
	st := *c.state.Load()
	if st.rules.Zones().Equal(zones) {
		c.hub.changed()
		return nil
	}
	st.rules = st.rules.In(zones)
	return c.enforce(ctx, &st, nil, nil, "networks")
}

// zones are what is stored of addresses, and of the networks that this computer
// is on: another network may use the same addresses.
func (c *Control) zones() (firewall.Zones, error) {
	stored, err := c.store.Networks()
	if err != nil {
		return firewall.Zones{}, err
	}
	return c.zonesOf(stored)
}

func (c *Control) zonesOf(stored []persistence.Network) (firewall.Zones, error) {
	of := make(map[netip.Prefix]firewall.Zone)
	add := func(p netip.Prefix, z firewall.Zone) {
		if z != firewall.AnyZone && of[p] < z {
			of[p] = z
		}
	}
	for _, n := range stored {
		if p, err := netip.ParsePrefix(n.ID); err == nil {
			add(p, n.Zone)
		} else if here, ok := c.here(n.ID); ok {
			for _, p := range here.Prefixes {
				add(p, n.Zone)
			}
		}
	}
	return firewall.NewZones(of)
}

// zonesBefore are the zones as they were before a change of what networks are.
func (c *Control) zonesBefore(edits []persistence.NetworkEdit, after firewall.Zones) (firewall.Zones, error) {
	of := after.All()
	if of == nil {
		of = make(map[netip.Prefix]firewall.Zone)
	}
	for _, e := range edits {
		if e.After != nil {
			was, err := c.zonesOf([]persistence.Network{*e.After})
			if err != nil {
				return after, err
			}
			for p := range was.All() {
				delete(of, p)
			}
		}
		if e.Before != nil {
			was, err := c.zonesOf([]persistence.Network{*e.Before})
			if err != nil {
				return after, err
			}
			maps.Copy(of, was.All())
		}
	}
	return firewall.NewZones(of)
}

// here finds a network that this computer is on.
func (c *Control) here(id string) (networks.Network, bool) {
	list := c.attached.Load()
	if list == nil {
		return networks.Network{}, false
	}
	i := slices.IndexFunc(*list, func(n networks.Network) bool { return n.ID() == id })
	if i < 0 {
		return networks.Network{}, false
	}
	return (*list)[i], true
}

// newNetwork says that this computer is on a network of which nobody has said
// what it is; "" if it is not.
func (c *Control) newNetwork() string {
	all, err := c.store.Networks()
	if err != nil {
		return err.Error()
	}
	for _, n := range all {
		if _, here := c.here(n.ID); here && n.Zone == firewall.AnyZone {
			return fmt.Sprintf("%s is on a new network, which counts as internet until somebody says what it is: sallyport zones set %q trusted|internet", n.Name, n.ID)
		}
	}
	return ""
}

// Networks returns the networks and addresses with their zones. See [ui.Control].
func (c *Control) Networks(context.Context) ([]ui.Network, error) {
	stored, err := c.store.Networks()
	if err != nil {
		return nil, err
	}
	out := make([]ui.Network, len(stored))
	for i, n := range stored {
		out[i] = ui.Network{ID: n.ID, Zone: n.Zone, Interface: n.Name, First: n.First, Last: n.Last}
		_, out[i].Here = c.here(n.ID)
		for _, p := range n.Prefixes {
			out[i].Prefixes = append(out[i].Prefixes, p.String())
		}
	}
	return out, nil
}

// SetZone says what a network is. See [ui.Control].
func (c *Control) SetZone(ctx context.Context, id string, z firewall.Zone) error {
	if z == firewall.ThisComputer || z > firewall.BlockedZone {
		return fmt.Errorf("%w: zone %q: want trusted, internet or blocked", ui.ErrInvalid, z)
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	all, err := c.store.Networks()
	if err != nil {
		return err
	}
	if id = strings.TrimSpace(id); !strings.Contains(id, " ") {
		p, _, err := remoteIn(id)
		if err != nil || !p.IsValid() {
			return fmt.Errorf("%w: %q is neither a network of the list nor an address or prefix: sallyport zones", ui.ErrInvalid, id)
		}
		id = p.String()
	}
	i := slices.IndexFunc(all, func(n persistence.Network) bool { return n.ID == id })
	_, isPrefix := netip.ParsePrefix(id)
	n := persistence.Network{ID: id, First: time.Now()}
	switch {
	case i >= 0:
		n = all[i]
	case isPrefix != nil || z == firewall.AnyZone:
		return fmt.Errorf("%w: there is no network %q: list them with: sallyport zones", ui.ErrNotFound, id)
	}
	n.Last = time.Now()
	if z == firewall.AnyZone {
		_, err = c.update(ctx, persistence.Update{Forget: []string{id}}, "network "+id+" forgotten")
		return err
	}
	n.Zone = z
	_, err = c.update(ctx, persistence.Update{Networks: []persistence.Network{n}}, "network "+id+" is "+z.String())
	return err
}
