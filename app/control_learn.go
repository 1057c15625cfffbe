package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// So many destinations by one protocol and port get a rule each; of more there
// is one rule for all. So many rules of a program are read by nobody: there is
// one that allows it anywhere.
const (
	destinationsEach = 4
	proposalsEach    = 12
)

// proposal is a rule that mode learn proposes, with what it stands for.
type proposal struct {
	rule firewall.Rule
	from persistence.Learned // its To are the destinations, More goes with the rule for all
}

// id is another one if the rule is another one, so that nobody accepts what
// they did not see.
func (p proposal) id() string {
	sum := sha256.Sum256([]byte(p.rule.Direction.String() + " " + describe(p.rule)))
	return hex.EncodeToString(sum[:6])
}

func (p proposal) out() ui.ProposedRule {
	out := ui.ProposedRule{ID: p.id(), Rule: ruleOut(p.rule), Destinations: len(p.from.To)}
	for _, d := range p.from.To {
		out.Count += d.Count
	}
	return out
}

// ways are what destinations are grouped by.
type way struct {
	protocol firewall.Protocol
	port     uint16
}

// propose makes the rules that would have allowed what was learned.
func propose(l persistence.Learned) (all []proposal) {
	ways := map[way][]persistence.Destination{}
	for _, d := range l.To {
		w := way{d.Protocol, d.Port}
		ways[w] = append(ways[w], d)
	}
	add := func(r firewall.Rule, to ...persistence.Destination) {
		from := l
		from.To, from.More = to, l.More && r.Protocol == firewall.AnyProtocol
		r.Program, r.Direction, r.Verdict, r.Learned = l.Program, l.Direction, firewall.Allow, true
		all = append(all, proposal{r, from})
	}
	if l.More || len(ways) > proposalsEach {
		add(firewall.Rule{}, l.To...)
		return all
	}
	order := func(a, b way) int { return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port)) }
	for _, w := range slices.SortedFunc(maps.Keys(ways), order) {
		to := ways[w]
		on := firewall.Rule{Protocol: w.protocol, Port: w.port}
		if l.Direction == firewall.In {
			on.Port, on.LocalPort = 0, w.port
		}
		if len(to) > destinationsEach || l.Direction == firewall.In {
			add(on, to...)
			continue
		}
		for _, d := range to {
			r := on
			if r.Host = d.Host; d.Host == "" && d.Remote.IsValid() {
				r.Remote = netip.PrefixFrom(d.Remote, d.Remote.BitLen())
			}
			add(r, d)
		}
	}
	if len(all) > proposalsEach {
		all = nil
		add(firewall.Rule{}, l.To...)
	}
	return slices.DeleteFunc(all, func(p proposal) bool { return validate(p.rule) != nil })
}

// Lessons returns what was learned. See [ui.Control].
func (c *Control) Lessons(ctx context.Context) ([]ui.Lesson, error) {
	all, err := c.lessons(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]ui.Lesson, len(all))
	for i, l := range all {
		out[i] = ui.Lesson{Program: l.Program, Direction: l.Direction, First: l.First.UTC(), Last: l.Last.UTC(), Count: l.Count, Proposals: []ui.ProposedRule{}}
		for _, p := range propose(l) {
			out[i].Proposals = append(out[i].Proposals, p.out())
		}
	}
	return out, nil
}

// lessons reads what was learned up to now.
func (c *Control) lessons(ctx context.Context) ([]persistence.Learned, error) {
	if err := c.journal.Flush(ctx); err != nil {
		return nil, err
	}
	return c.store.Learned()
}

// EndLessons accepts and forgets proposals. See [ui.Control].
func (c *Control) EndLessons(ctx context.Context, accept, discard []string) ([]ui.Rule, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	all, err := c.lessons(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	names := func(list []string, l persistence.Learned, p proposal) bool {
		for _, name := range []string{p.id(), l.Program} {
			if slices.Contains(list, name) {
				found[name] = true
				return true
			}
		}
		return false
	}
	var u persistence.Update
	discarded := 0
	for _, l := range all {
		for _, p := range propose(l) {
			yes, no := names(accept, l, p), names(discard, l, p)
			switch {
			case yes && no:
				return nil, fmt.Errorf("%w: %s is to be both accepted and discarded", ui.ErrInvalid, p.id())
			case yes:
				if _, there := c.state.Load().rules.Like(p.rule); !there {
					u.Put = append(u.Put, p.rule)
				}
			case no:
				discarded++
			default:
				continue
			}
			u.Unlearn = append(u.Unlearn, p.from)
		}
	}
	for _, name := range slices.Concat(accept, discard) {
		if !found[name] {
			return nil, fmt.Errorf("%w: nothing is proposed as %q any more: list it with: sallyport learn", ui.ErrNotFound, name)
		}
	}
	what := fmt.Sprintf("learn: %d rules accepted, %d proposals discarded", len(u.Put), discarded)
	put, err := c.update(ctx, u, what)
	out := make([]ui.Rule, len(put))
	for i, r := range put {
		out[i] = ruleOut(r)
	}
	return out, err
}
