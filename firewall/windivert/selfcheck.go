package windivert

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// Check says how a computer is checked. The zero Check does what needs neither
// a server nor a person.
type Check struct {
	// Server accepts TCP connections, as any web server does. Without it, what
	// needs a connection that comes about is not checked.
	Server netip.AddrPort
	// Sleep has a person put the computer to sleep and wake it again, and tells
	// whether that was done; nil: there is nobody.
	Sleep func(context.Context) bool
}

// Result is what became of a [Point]. The zero Result is not checked.
type Result uint8

// The results.
const (
	NotChecked Result = iota
	Pass
	Fail
)

func (r Result) String() string { return [...]string{"not checked", "pass", "FAIL"}[min(r, Fail)] }

// Point is one thing that the backend relies on, and whether it is so here.
type Point struct {
	Name   string
	Result Result
	Detail string // what was seen, or why it was not checked
}

// Nobody is at these addresses: they are for documentation (RFC 5737, 3849).
var (
	nobody  = netip.MustParseAddrPort("192.0.2.1:9")
	nobody6 = netip.MustParseAddrPort("[2001:db8::1]:9")
)

const (
	// holdFor is how long a packet is held: people think about as long.
	holdFor = 10 * time.Second
	// soonEnough is when a reset must have reached the program. Windows tries to
	// connect three times, half a second apart, before it believes one.
	soonEnough = 5 * time.Second
	// dialPatience is longer than Windows tries to connect, which is 21 s.
	dialPatience = 30 * time.Second
)

// SelfCheck goes through what the backend relies on and cannot be shown without
// the computer, and reports each point. Meanwhile connections of other programs
// pass unasked; no engine may run. It returns an error only if ctx ended.
func SelfCheck(ctx context.Context, c Check, report func(Point)) error {
	d, _, _, err := platform(Config{}.complete())
	if err != nil {
		report(Point{"the driver loads", Fail, err.Error()})
		return ctx.Err()
	}
	return selfCheck(ctx, d, tcpDialer(), c, report)
}

// dialer opens and closes one TCP connection.
type dialer struct {
	pid  uint32
	dial func(ctx context.Context, remote netip.AddrPort) error
}

func tcpDialer() dialer {
	return dialer{uint32(os.Getpid()), func(ctx context.Context, remote netip.AddrPort) error {
		c, err := (&net.Dialer{Timeout: dialPatience}).DialContext(ctx, "tcp", remote.String())
		if err == nil {
			c.Close()
		}
		return err
	}}
}

func selfCheck(ctx context.Context, d driver, own dialer, c Check, report func(Point)) error {
	w, err := openWatch(d)
	if err != nil {
		report(Point{"the driver loads", Fail, err.Error()})
		return ctx.Err()
	}
	defer w.close()
	report(Point{"the driver loads", Pass, "handles for sockets and packets are open"})
	for _, check := range []func() Point{
		func() Point { return joined(ctx, w, own, "IPv4", nobody) },
		func() Point { return joined(ctx, w, own, "IPv6", nobody6) },
		func() Point { return held(ctx, w, own, c.Server) },
		func() Point { return slept(ctx, w, own, c.Sleep) },
		func() Point { return abandoned(ctx, w, own, c.Server) },
	} {
		p := check()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(p)
	}
	report(Point{"fail closed: after the engine is killed nothing unknown passes", NotChecked,
		"set it by hand: sallyport settings fail closed, end the engine's process, try to connect, then: sallyport recover"})
	return nil
}

// joined checks that a connection is seen by its event and by its packet, and
// that a reset reaches the program.
func joined(ctx context.Context, w *watch, own dialer, protocol string, remote netip.AddrPort) Point {
	p := Point{Name: protocol + ": SOCKET and NETWORK tell of a connection, and its program sees the reset"}
	seen := w.attempt(ctx, own, remote, func(s captured) { w.refuse(s) })
	switch {
	case seen.packet.IsZero() && seen.err != nil && seen.took < time.Second:
		p.Detail = "nothing is sent: " + seen.err.Error()
	case seen.packet.IsZero() || seen.event.IsZero():
		p.Result, p.Detail = Fail, fmt.Sprintf("event seen: %t, packet seen: %t", !seen.event.IsZero(), !seen.packet.IsZero())
	case !refused(seen.err) || seen.took > soonEnough:
		p.Result, p.Detail = Fail, fmt.Sprintf("connecting ended after %v with: %v", seen.took.Round(time.Millisecond), seen.err)
	default:
		p.Result, p.Detail = Pass, fmt.Sprintf("%s, refused after %v", seen.order(), seen.took.Round(time.Millisecond))
	}
	return p
}

// held checks that a packet can be sent on after the time that a person needs.
func held(ctx context.Context, w *watch, own dialer, server netip.AddrPort) Point {
	p := Point{Name: fmt.Sprintf("a packet that is held for %v opens its connection", holdFor)}
	if !server.IsValid() {
		p.Detail = "name a server: --server ADDRESS:PORT"
		return p
	}
	newest := make(chan captured, 1)
	var since time.Time
	seen := w.attempt(ctx, own, server, func(s captured) {
		switch {
		case since.IsZero():
			since = s.at
			newest <- s
			time.AfterFunc(holdFor, func() { w.pass(<-newest) })
		case time.Since(since) >= holdFor:
			w.pass(s)
		default: // it was sent again, and takes the place of the older one
			<-newest
			newest <- s
		}
	})
	switch {
	case seen.packet.IsZero():
		p.Result, p.Detail = Fail, fmt.Sprintf("its packet was not seen: %v", seen.err)
	case seen.err != nil || seen.took < holdFor:
		p.Result, p.Detail = Fail, fmt.Sprintf("connecting ended after %v with: %v", seen.took.Round(time.Millisecond), seen.err)
	default:
		p.Result, p.Detail = Pass, fmt.Sprintf("connected after %v", seen.took.Round(time.Millisecond))
	}
	return p
}

// slept checks that the handles work after the computer slept.
func slept(ctx context.Context, w *watch, own dialer, sleep func(context.Context) bool) Point {
	name := "after sleep: "
	if sleep == nil || !sleep(ctx) {
		return Point{name + "the same handles still tell of a connection", NotChecked, "the computer did not sleep"}
	}
	p := joined(ctx, w, own, "IPv4", nobody)
	p.Name = name + p.Name
	return p
}

// abandoned checks what becomes of a held connection if the engine dies. It
// closes the handles and comes last.
func abandoned(ctx context.Context, w *watch, own dialer, server netip.AddrPort) Point {
	p := Point{Name: "fail open: a held connection passes when the handles are gone"}
	if !server.IsValid() {
		p.Detail = "name a server: --server ADDRESS:PORT"
		return p
	}
	seen := w.attempt(ctx, own, server, func(captured) { w.close() })
	switch {
	case seen.packet.IsZero():
		p.Result, p.Detail = Fail, fmt.Sprintf("its packet was not seen: %v", seen.err)
	case seen.err != nil:
		p.Result, p.Detail = Fail, fmt.Sprintf("connecting ended after %v with: %v", seen.took.Round(time.Millisecond), seen.err)
	default:
		p.Result, p.Detail = Pass, fmt.Sprintf("connected after %v", seen.took.Round(time.Millisecond))
	}
	return p
}
