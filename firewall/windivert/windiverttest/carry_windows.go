package windiverttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Carry carries packets and events between the network and the driver, until
// the network ends the line.
func Carry(l *Line) error {
	in, err := Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := Open()
	if err != nil {
		return err
	}
	defer out.Close()
	ctx, stop := context.WithCancel(context.Background())
	leaving := make(chan error, 1)
	go func() { leaving <- out.leaving(ctx, l) }()
	err = in.arriving(l)
	stop()
	return errors.Join(err, <-leaving)
}

// arriving gives the driver what the network says.
func (s *StandIn) arriving(l *Line) error {
	for {
		m, err := l.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch m.Kind {
		case "packet":
			_, err = s.Inject(Record{Outbound(m.Packet), m.Packet})
		case "connect":
			err = s.tell(Connect, m)
		case "close":
			err = s.tell(Close, m)
		default:
			err = fmt.Errorf("no such message: %q", m.Kind)
		}
		if err != nil {
			return err
		}
	}
}

// tell gives the driver the event of a socket of TCP.
func (s *StandIn) tell(e Event, m Message) error {
	f := firewall.Flow{Protocol: firewall.TCP, Local: m.From, Remote: m.To}
	_, err := s.Inject(Record{Address: SocketAddress(e, f, m.PID, uint64(m.From.Port()))})
	return err
}

// leaving says what leaves the driver.
func (s *StandIn) leaving(ctx context.Context, l *Line) error {
	// Only the driver can tell when something has left.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		records, err := s.Drain()
		if err != nil {
			return err
		}
		for _, r := range records {
			kind := "in"
			if r.Address[10]&bitOutbound != 0 {
				kind = "out"
			}
			if err := l.Say(Message{Kind: kind, Packet: r.Packet}); err != nil {
				return nil // the network has ended
			}
		}
	}
}
