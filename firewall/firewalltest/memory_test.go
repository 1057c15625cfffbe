package firewalltest_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
)

func TestMemoryConforms(t *testing.T) {
	firewalltest.Conformance(t, func(*testing.T) firewalltest.Driver {
		return &memoryDriver{memory: firewalltest.NewMemory()}
	})
}

type memoryDriver struct {
	memory *firewalltest.Memory
	port   atomic.Uint32
	host   atomic.Value // of destination 0
}

func (d *memoryDriver) Backend() firewall.Backend { return d.memory }

func (d *memoryDriver) Program(name string) firewall.Program {
	return firewall.Program{Kind: firewall.Executable, Path: "/usr/bin/" + name}
}

func (d *memoryDriver) Destination(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)}), 443)
}

func (d *memoryDriver) Name(_ context.Context, host string) error {
	d.host.Store(host)
	return nil
}

func (d *memoryDriver) Dial(ctx context.Context, program string, destination int) (io.ReadCloser, error) {
	n := d.port.Add(1)
	a := firewall.Attempt{Program: d.Program(program), PID: int(n), Started: time.Now()}
	if destination == 0 {
		a.Host, _ = d.host.Load().(string)
	}
	a.Protocol = firewall.TCP
	a.Local = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.100"), uint16(40000+n))
	a.Remote = d.Destination(destination)
	c := d.memory.Dial(a)
	select {
	case <-c.Decided():
	case <-ctx.Done():
		c.Close()
		return nil, ctx.Err()
	}
	if decision, _ := c.Decision(); decision.Verdict != firewall.Allow {
		return nil, errors.New("blocked")
	}
	return pipe{c}, nil
}

type pipe struct{ c *firewalltest.Connection }

func (p pipe) Read([]byte) (int, error) { <-p.c.Closed(); return 0, io.EOF }
func (p pipe) Close() error             { p.c.Close(); return nil }
