package windivert

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// TestTheEngineForRealPackets is a half of TestRealPacketsWaitForAnAnswer,
// which starts it in Wine and speaks with it.
func TestTheEngineForRealPackets(t *testing.T) {
	x, in := newRealEngine(t)
	if x == nil {
		return
	}
	backend := newBackend(Config{}, winDivert{}, x)
	rules := x.rules()
	if err := backend.Apply(rules.Policy(firewall.ModeAsk, false)); err != nil {
		t.Fatal(err)
	}
	engine := firewall.NewEngine(rules, firewall.ModeAsk, firewall.Options{Watcher: x})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ready := make(chan struct{})
	running.Go(func() { engine.Run(ctx) })
	running.Go(func() {
		if err := backend.Run(ctx, engine, func() { close(ready) }); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer stop()
	within(t, "the backend is ready", ready)
	x.leaving(ctx, &running)
	x.say(message{Kind: "ready"})
	for {
		var m message
		if err := in.Decode(&m); err != nil || m.Kind == "end" {
			return
		}
		switch m.Kind {
		case "packet":
			x.inject(diverted{packetAddress(m.Packet, true), m.Packet})
		case "dial":
			running.Go(func() { x.dial(m.From, m.To) })
		case "answer":
			v := firewall.Block
			if m.Text == "allow" {
				v = firewall.Allow
			}
			for _, p := range engine.Prompts() {
				if m.Text == "always" {
					rules := x.rules(firewall.Rule{ID: "always", Program: p.Program.ID(), Verdict: firewall.Allow})
					engine.SetRules(rules)
					if err := backend.Apply(rules.Policy(firewall.ModeAsk, false)); err != nil {
						t.Error(err)
					}
					continue
				}
				if err := engine.Answer(firewall.Answer{Prompt: p.ID, Verdict: v}); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// realEngine is an engine's watcher, and what its backend asks of the system.
type realEngine struct {
	*testing.T
	*standIn
	mu     sync.Mutex
	out    *json.Encoder
	owners map[netip.AddrPort]uint32
}

// newRealEngine joins the half of the test that has the network; nil if there
// is none.
func newRealEngine(t *testing.T) (*realEngine, *json.Decoder) {
	t.Helper()
	other := os.Getenv(carrierVariable)
	if other == "" {
		return nil, nil
	}
	conn, err := net.Dial("tcp", other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &realEngine{T: t, standIn: newStandIn(t), out: json.NewEncoder(conn), owners: map[netip.AddrPort]uint32{}}, json.NewDecoder(conn)
}

func (x *realEngine) rules(rules ...firewall.Rule) firewall.Ruleset {
	rs, err := firewall.NewRuleset(append(rules, firewall.BuiltinRules()...)...)
	if err != nil {
		x.Fatal(err)
	}
	return rs
}

func (x *realEngine) say(m message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.out.Encode(m)
}

// leaving says what leaves the driver.
func (x *realEngine) leaving(ctx context.Context, running *sync.WaitGroup) {
	out := x.again()
	running.Go(func() {
		// Only the driver can tell when something has left.
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, r := range out.drain() {
				kind := "in"
				if r.address.outbound() {
					kind = "out"
				}
				x.say(message{Kind: kind, Packet: r.packet})
			}
		}
	})
}

// dial runs a program that connects, and says what came of it.
func (x *realEngine) dial(from, to netip.AddrPort) {
	self, err := os.Executable()
	if err != nil {
		x.Error(err)
		return
	}
	x.say(message{Kind: "dialled", Text: x.connect(self, from, to)})
}

// connect runs the program at path, gives the driver the event that it
// connects, and returns what the program says.
func (x *realEngine) connect(path string, from, to netip.AddrPort) string {
	c := inRole(path, "connect")
	c.Env = append(c.Env, "FROM="+from.String(), "TO="+to.String())
	said, err := x.run(c, from, to)
	if err != nil {
		return err.Error()
	}
	return string(said)
}

func (x *realEngine) run(c *exec.Cmd, from, to netip.AddrPort) ([]byte, error) {
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	pid := uint32(c.Process.Pid)
	x.mu.Lock()
	x.owners[from] = pid
	x.mu.Unlock()
	events := x.again()
	f := firewall.Flow{Protocol: firewall.TCP, Local: from, Remote: to}
	events.inject(diverted{address: socketAddress(eventConnect, f, pid, uint64(from.Port()))})
	said := make([]byte, 1024)
	n, _ := out.Read(said)
	err = c.Wait()
	events.inject(diverted{address: socketAddress(eventClose, f, pid, uint64(from.Port()))})
	return said[:n], err
}

// connect is the program that connects: it says what came of it.
func connect() string {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(os.Getenv("FROM"))), Timeout: time.Minute}
	conn, err := d.Dial("tcp", os.Getenv("TO"))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	greeting := make([]byte, 64)
	n, err := conn.Read(greeting)
	if err != nil {
		return err.Error()
	}
	return string(greeting[:n])
}

func (x *realEngine) Prompts(ps []firewall.Prompt) {
	for _, p := range ps {
		if p.Waiting > 0 {
			x.say(message{Kind: "prompt", Text: filepath.Base(p.Program.Path) + " " + strconv.Itoa(p.First.PID), To: p.First.Remote})
		}
	}
}

func (x *realEngine) Decided(firewall.Entry) {}

func (x *realEngine) owner(f firewall.Flow) (uint32, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	pid, ok := x.owners[f.Local]
	return pid, ok
}

func (x *realEngine) connections() ([]connection, error) { return nil, nil }

func (x *realEngine) identify(pid uint32, _ firewall.Flow, _ time.Time) (p firewall.Program, started time.Time, uid int) {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return firewall.Program{Why: err.Error()}, time.Time{}, -1
	}
	defer windows.CloseHandle(process)
	name := make([]uint16, windows.MAX_LONG_PATH)
	n := uint32(len(name))
	if err := windows.QueryFullProcessImageName(process, 0, &name[0], &n); err != nil {
		return firewall.Program{Why: err.Error()}, time.Time{}, -1
	}
	return firewall.Program{Kind: firewall.Executable, Path: windows.UTF16ToString(name[:n])}, time.Time{}, -1
}

func (x *realEngine) cut(firewall.Flow) error { return nil }

func (x *realEngine) resolvers() []netip.Addr { return nil }
