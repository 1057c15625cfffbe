package windivert

import (
	"context"
	"io"
	"net/netip"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
)

func TestConformance(t *testing.T) {
	for name, local := range map[string]string{"IPv4": ipv4World, "IPv6": ipv6World} {
		t.Run(name, func(t *testing.T) {
			firewalltest.Conformance(t, func(*testing.T) firewalltest.Driver {
				w := newWorld(local)
				return &conformance{world: w, backend: newBackend(Config{}, w.driver, w)}
			})
		})
	}
}

type conformance struct {
	world   *world
	backend *Backend
}

func (c *conformance) Backend() firewall.Backend            { return c.backend }
func (c *conformance) Program(name string) firewall.Program { return program(name) }
func (c *conformance) Destination(n int) netip.AddrPort     { return c.world.destination(n) }

func (c *conformance) Name(ctx context.Context, host string) error {
	c.world.mu.Lock()
	clear(c.world.hosts)
	c.world.hosts[host+"."] = c.world.destination(0).Addr()
	c.world.mu.Unlock()
	return c.world.ask(host, ctx.Done())
}

func (c *conformance) Dial(ctx context.Context, name string, destination int) (io.ReadCloser, error) {
	s := c.world.dial(c.world.start(name), c.world.destination(destination))
	select {
	case <-s.done:
	case <-ctx.Done():
		s.close()
		return nil, ctx.Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	return stream{s}, nil
}

type stream struct{ *socket }

func (s stream) Read([]byte) (int, error) { <-s.ended; return 0, io.EOF }
func (s stream) Close() error             { s.close(); return nil }
