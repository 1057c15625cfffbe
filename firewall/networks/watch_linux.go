package networks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Neighbours are looked at again so long after something changed: changes come
// in bursts.
const settle = 200 * time.Millisecond

// List returns the networks that this computer is on.
func List() ([]Network, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("open the table of routes: %w", err)
	}
	defer c.Close()
	var routes []route
	messages, err := dump(c, unix.RTM_GETROUTE, unix.SizeofRtMsg)
	if err != nil {
		return nil, fmt.Errorf("read the table of routes: %w", err)
	}
	for _, m := range messages {
		if r, ok := parseRoute(m.Data); ok {
			routes = append(routes, r)
		}
	}
	var neighbours []neighbour
	if messages, err = dump(c, unix.RTM_GETNEIGH, unix.SizeofNdMsg); err != nil {
		return nil, fmt.Errorf("read the table of neighbours: %w", err)
	}
	for _, m := range messages {
		if n, ok := parseNeighbour(m.Data); ok {
			neighbours = append(neighbours, n)
		}
	}
	return gather(routes, neighbours, func(index int) string {
		i, err := net.InterfaceByIndex(index)
		if err != nil {
			return fmt.Sprint("#", index)
		}
		return i.Name
	}), nil
}

func dump(c *netlink.Conn, kind netlink.HeaderType, size int) ([]netlink.Message, error) {
	return c.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, size), // of every family
	})
}

// parseRoute reads a struct rtmsg with its attributes.
func parseRoute(b []byte) (r route, ok bool) {
	if len(b) < unix.SizeofRtMsg {
		return r, false
	}
	family, bits, table, kind := b[0], int(b[1]), b[4], b[7]
	if table != unix.RT_TABLE_MAIN || kind != unix.RTN_UNICAST {
		return r, false
	}
	to := netip.IPv4Unspecified()
	if family == unix.AF_INET6 {
		to = netip.IPv6Unspecified()
	} else if family != unix.AF_INET {
		return r, false
	}
	d, err := netlink.NewAttributeDecoder(b[unix.SizeofRtMsg:])
	if err != nil {
		return r, false
	}
	for d.Next() {
		switch d.Type() {
		case unix.RTA_DST:
			to, _ = netip.AddrFromSlice(d.Bytes())
		case unix.RTA_GATEWAY:
			r.gateway, _ = netip.AddrFromSlice(d.Bytes())
		case unix.RTA_OIF:
			r.index = int(d.Uint32())
		}
	}
	if d.Err() != nil || !to.IsValid() {
		return r, false
	}
	r.prefix = netip.PrefixFrom(to, bits)
	return r, true
}

// parseNeighbour reads a struct ndmsg with its attributes.
func parseNeighbour(b []byte) (n neighbour, ok bool) {
	const known = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT
	if len(b) < unix.SizeofNdMsg {
		return n, false
	}
	d, err := netlink.NewAttributeDecoder(b[unix.SizeofNdMsg:])
	if err != nil {
		return n, false
	}
	state := d.ByteOrder.Uint16(b[8:])
	n.index = int(d.ByteOrder.Uint32(b[4:]))
	for d.Next() {
		switch d.Type() {
		case unix.NDA_DST:
			n.addr, _ = netip.AddrFromSlice(d.Bytes())
		case unix.NDA_LLADDR:
			n.hardware = net.HardwareAddr(d.Bytes()).String()
		}
	}
	return n, d.Err() == nil && state&known != 0 && n.addr.IsValid() && n.hardware != ""
}

// Watch calls changed with the networks at once, and again each time they
// changed, until ctx ends.
func Watch(ctx context.Context, changed func([]Network)) error {
	groups := uint32(1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_NEIGH-1) | 1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1))
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: groups})
	if err != nil {
		return fmt.Errorf("watch the table of routes: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	now, err := List()
	if err != nil {
		return err
	}
	for changed(now); ctx.Err() == nil; {
		// A burst that was too long for the socket is a change too.
		if _, err := c.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) && ctx.Err() == nil {
			return fmt.Errorf("watch the table of routes: %w", err)
		}
		for quiet := false; !quiet && ctx.Err() == nil; {
			c.SetReadDeadline(time.Now().Add(settle))
			_, err := c.Receive()
			quiet = errors.Is(err, os.ErrDeadlineExceeded)
		}
		if ctx.Err() != nil {
			break
		}
		c.SetReadDeadline(time.Time{})
		next, err := List()
		if err != nil {
			return err
		}
		if !equal(now, next) {
			now = next
			changed(now)
		}
	}
	return nil
}
