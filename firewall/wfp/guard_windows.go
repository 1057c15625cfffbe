package wfp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/tailscale/wf"
	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

const product = "Sallyport"

// sublayer, in the order in which it is written.
var sublayer = ID{0x5a, 0x11, 0xf0, 0xb7, 0x7d, 0x0c, 0x4c, 0x0e, 0x9c, 0x53, 0x2f, 0x6f, 0x1d, 0x8e, 0x4a, 0x02}

// Guard puts rules into force that outlive the process. All methods may be
// called from any goroutine, and need an administrator.
type Guard struct {
	mu       sync.Mutex
	override *wf.Session // nil while no permit of the engine stands above the rules
}

// Override permits everything that the rules block, until it is closed or the
// process ends. What other rules of Windows block stays blocked.
func (g *Guard) Override() (io.Closer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer pauseCollector()()
	if g.override != nil {
		return overrideOf{g}, nil
	}
	s, err := open(wf.Options{Name: product})
	if err != nil {
		return nil, err
	}
	err = errors.Join(ensureOurs(s), s.Close())
	if err != nil {
		return nil, err
	}
	s, err = open(wf.Options{Name: product, Description: "permits while the engine runs", Dynamic: true})
	if err != nil {
		return nil, err
	}
	for _, r := range overrides {
		w := compose(r, nil)
		w.Persistent = false
		if err := s.AddRule(w); err != nil {
			return nil, errors.Join(fmt.Errorf("permit what the engine decides: %w", err), s.Close())
		}
	}
	g.override = s
	return overrideOf{g}, nil
}

// overrideOf ends a guard's override.
type overrideOf struct{ *Guard }

func (o overrideOf) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.endOverride()
}

func (g *Guard) endOverride() error {
	if g.override == nil {
		return nil
	}
	err := g.override.Close()
	g.override = nil
	if err != nil {
		return fmt.Errorf("end the engine's permit: %w", err)
	}
	return nil
}

// Apply puts exactly these rules into force. If it fails halfway or ctx ends,
// nothing passes that the rules do not let pass; calling it again goes on.
func (g *Guard) Apply(ctx context.Context, rules []Rule) (c Change, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer pauseCollector()()
	filters, err := list()
	if err != nil {
		return c, err
	}
	todo, err := stepsTo(rules, filters)
	if err != nil {
		return c, err
	}
	s, err := open(wf.Options{Name: product})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if len(rules) > 0 {
		if err := ensureOurs(s); err != nil {
			return c, err
		}
	}
	if err := g.add(ctx, s, todo.block, &c); err != nil {
		return c, err
	}
	for _, id := range todo.remove {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		if err := s.DeleteRule(wf.RuleID(guid(id))); err != nil && !errors.Is(err, windows.Errno(windows.FWP_E_FILTER_NOT_FOUND)) {
			return c, fmt.Errorf("remove a rule: %w", err)
		}
		c.Removed++
	}
	if err := g.add(ctx, s, todo.permit, &c); err != nil {
		return c, err
	}
	return c, nil
}

// add puts rules into force, and skips those whose program is not there.
func (g *Guard) add(ctx context.Context, s *wf.Session, rules []Rule, c *Change) error {
	for _, r := range rules {
		if err := ctx.Err(); err != nil {
			return err
		}
		var conditions []*wf.Match
		if r.Program != "" {
			id, err := wf.AppID(r.Program)
			if errors.Is(err, os.ErrNotExist) || err == nil && id == "" {
				c.Skipped = append(c.Skipped, r.Program+": there is no such file")
				continue
			} else if err != nil {
				c.Skipped = append(c.Skipped, fmt.Sprintf("%s: %v", r.Program, err))
				continue
			}
			conditions = append(conditions, &wf.Match{Field: wf.FieldALEAppID, Op: wf.MatchTypeEqual, Value: id})
		}
		if err := s.AddRule(compose(r, conditions)); err != nil {
			return fmt.Errorf("add rule %q: %w", r, err)
		}
		c.Added++
	}
	return nil
}

// Remove takes away everything of ours, of whichever process, and says what
// it was. It fails while another process's engine holds an override.
func (g *Guard) Remove() (removed []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer pauseCollector()()
	filters, err := list()
	if errors.Is(err, windows.RPC_S_CANNOT_SUPPORT) {
		return nil, nil // a system without the platform, as Wine, keeps no rules
	} else if err != nil {
		return nil, err
	}
	s, err := open(wf.Options{Name: product})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rules := 0
	var failed error
	for _, id := range filters {
		switch err := s.DeleteRule(wf.RuleID(guid(id))); {
		case err == nil:
			rules++
		case !errors.Is(err, windows.Errno(windows.FWP_E_FILTER_NOT_FOUND)):
			failed = errors.Join(failed, fmt.Errorf("remove a rule: %w", err))
		}
	}
	if rules > 0 {
		removed = append(removed, fmt.Sprintf("%d rules in the Windows Filtering Platform", rules))
	}
	if failed != nil {
		return removed, failed // what blocks yet needs the override, and all else of ours
	}
	// What the rules blocked passes by now: the override is not missed.
	failed = g.endOverride()
	for _, part := range []struct {
		name   string
		delete func() error
		absent windows.Handle
	}{
		{"sublayer", func() error { return s.DeleteSublayer(wf.SublayerID(guid(sublayer))) }, windows.FWP_E_SUBLAYER_NOT_FOUND},
		{"provider", func() error { return s.DeleteProvider(wf.ProviderID(guid(provider))) }, windows.FWP_E_PROVIDER_NOT_FOUND},
	} {
		switch err := part.delete(); {
		case err == nil:
			removed = append(removed, "the "+part.name+" "+product+" in the Windows Filtering Platform")
		case !errors.Is(err, windows.Errno(part.absent)):
			failed = errors.Join(failed, fmt.Errorf("remove the %s: %w", part.name, err))
		}
	}
	return removed, failed
}

func open(o wf.Options) (*wf.Session, error) {
	s, err := wf.New(&o)
	if err != nil {
		return nil, fmt.Errorf("open the Windows Filtering Platform (service BFE): %w", err)
	}
	return s, nil
}

// ensureOurs makes provider and sublayer where they are missing.
func ensureOurs(s *wf.Session) error {
	err := s.AddProvider(&wf.Provider{ID: wf.ProviderID(guid(provider)), Name: product, Persistent: true})
	if err != nil && !errors.Is(err, windows.Errno(windows.FWP_E_ALREADY_EXISTS)) {
		return fmt.Errorf("add the provider: %w", err)
	}
	err = s.AddSublayer(&wf.Sublayer{
		ID: wf.SublayerID(guid(sublayer)), Name: product, Persistent: true, Provider: wf.ProviderID(guid(provider)), Weight: 0xffff,
	})
	if err != nil && !errors.Is(err, windows.Errno(windows.FWP_E_ALREADY_EXISTS)) {
		return fmt.Errorf("add the sublayer: %w", err)
	}
	return nil
}

// compose writes a rule in the filtering platform's terms, after the
// conditions given.
func compose(r Rule, conditions []*wf.Match) *wf.Rule {
	equal := func(f wf.FieldID, value any) {
		conditions = append(conditions, &wf.Match{Field: f, Op: wf.MatchTypeEqual, Value: value})
	}
	if r.Loopback {
		conditions = append(conditions, &wf.Match{Field: wf.FieldFlags, Op: wf.MatchTypeFlagsAllSet, Value: wf.ConditionFlagIsLoopback})
	}
	if r.Protocol != firewall.AnyProtocol {
		equal(wf.FieldIPProtocol, wf.IPProto(r.Protocol))
	}
	if r.ICMPType != 0 {
		equal(wf.FieldIPLocalPort, uint16(r.ICMPType)) // FWPM_CONDITION_ICMP_TYPE is the same field
	}
	if r.Address.IsValid() {
		equal(wf.FieldIPRemoteAddress, r.Address)
	}
	if r.LocalPort != 0 {
		equal(wf.FieldIPLocalPort, r.LocalPort)
	}
	if r.RemotePort != 0 {
		equal(wf.FieldIPRemotePort, r.RemotePort)
	}
	w := &wf.Rule{
		ID: wf.RuleID(guid(r.id())), Name: product + ": " + r.Name, Description: r.String(),
		Layer: wf.LayerALEAuthConnectV4, Sublayer: wf.SublayerID(guid(sublayer)), Provider: wf.ProviderID(guid(provider)),
		Weight: uint64(r.Weight), Conditions: conditions, Action: wf.ActionBlock, Persistent: true,
	}
	if r.Layer == ConnectV6 {
		w.Layer = wf.LayerALEAuthConnectV6
	}
	if r.Verdict == firewall.Allow {
		w.Action = wf.ActionPermit
	} else {
		w.HardAction = true // no permit of another program's sublayer undoes it
	}
	return w
}

func guid(id ID) windows.GUID {
	return windows.GUID{
		Data1: binary.BigEndian.Uint32(id[0:]), Data2: binary.BigEndian.Uint16(id[4:]),
		Data3: binary.BigEndian.Uint16(id[6:]), Data4: [8]byte(id[8:]),
	}
}

func idOf(g windows.GUID) (id ID) {
	binary.BigEndian.PutUint32(id[0:], g.Data1)
	binary.BigEndian.PutUint16(id[4:], g.Data2)
	binary.BigEndian.PutUint16(id[6:], g.Data3)
	copy(id[8:], g.Data4[:])
	return id
}
