package firewall_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
)

var update = flag.Bool("update", false, "write the stories' outputs anew")

// TestScripts runs the stories in testdata/script, each with an engine of its
// own and virtual time. The commands are in story_test.go.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, want, found := strings.Cut(string(text), "\nOutput:\n")
			if !found {
				t.Fatal("the story has no Output:")
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = run(t, script) })
			if *update {
				if err := os.WriteFile(file, []byte(script+"\nOutput:\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// story is a running script.
type story struct {
	*testing.T
	out         strings.Builder
	options     firewall.Options
	mode        firewall.Mode
	rules       []firewall.Rule
	zones       map[netip.Prefix]firewall.Zone
	engine      *firewall.Engine // nil until the first command that needs it
	backend     *firewalltest.Memory
	stop        context.CancelFunc
	connections []*connection
	read        firewall.PromptID // what a person has before their eyes
	answers     int               // rules made by answers
	log         []firewall.Entry
}

// connection is one that the story opened.
type connection struct {
	*firewalltest.Connection
	text string
	told bool // its end was printed or was the story's doing
}

func run(t *testing.T, script string) string {
	s := &story{T: t}
	s.options.Watcher = s
	for lines := bufio.NewScanner(strings.NewReader(script)); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if words := strings.Fields(line); len(words) > 0 {
			s.command(words[0], words[1:])
			s.settle()
		}
	}
	s.halt()
	return s.out.String()
}

// settle lets everything happen that the command caused, and prints which
// established connections were cut.
func (s *story) settle() {
	synctest.Wait()
	for _, c := range s.connections {
		d, decided := c.Decision()
		select {
		case <-c.Closed():
			if decided && d.Verdict == firewall.Allow && !c.told {
				s.print("cut   %s", c.text)
			}
			c.told = true
		default:
		}
	}
}

// start begins filtering as the application does.
func (s *story) start() {
	if s.engine != nil {
		return
	}
	s.engine = firewall.NewEngine(s.ruleset(), s.mode, s.options)
	s.backend = firewalltest.NewMemory()
	s.apply()
	ctx, cancelEngine := context.WithCancel(context.Background())
	backend, cancelBackend := context.WithCancel(context.Background())
	go s.engine.Run(ctx)
	ready := make(chan struct{})
	go s.backend.Run(backend, s.engine, func() { close(ready) })
	<-ready
	s.stop = func() { cancelBackend(); synctest.Wait(); cancelEngine(); synctest.Wait() }
}

// halt stops the engine; what waits is not printed unless the story stops it.
func (s *story) halt() {
	if s.engine == nil {
		return
	}
	s.options.Watcher = nil
	quiet := s.out.String()
	s.stop()
	s.out.Reset()
	s.out.WriteString(quiet)
}

func (s *story) print(format string, args ...any) {
	fmt.Fprintf(&s.out, "    "+format+"\n", args...)
}

// Prompts is part of [firewall.Watcher].
func (s *story) Prompts([]firewall.Prompt) {}

// Decided prints a line of the activity log.
func (s *story) Decided(e firewall.Entry) {
	s.log = append(s.log, e)
	line := fmt.Sprintf("%-5s %s", e.Verdict, describe(e.Attempt))
	switch e.Reason {
	case firewall.Asked:
	case firewall.ByRule:
		line += " by " + string(e.Rule)
	default:
		line += " by " + string(e.Reason)
	}
	s.print("%s", line)
}

func describe(a firewall.Attempt) string {
	name := a.Program.Name()
	if a.Program.Kind == firewall.Unidentified {
		name = "?" + a.Program.File
	}
	if a.Program.Kind == firewall.Foreign {
		name += "@" + a.Program.File
	}
	if a.Program.Kind == firewall.Changed {
		name += "%" + a.Program.File
	}
	if a.Direction == firewall.In {
		name += " from"
	}
	name += " " + a.Remote.String()
	if a.Protocol != firewall.TCP {
		name += "/" + a.Protocol.String()
	}
	if a.Host != "" {
		name += " " + a.Host
	}
	return name
}

func (s *story) ruleset() firewall.Ruleset {
	rs, err := firewall.NewRuleset(s.rules...)
	if err != nil {
		s.Fatal(err)
	}
	zones, err := firewall.NewZones(s.zones)
	if err != nil {
		s.Fatal(err)
	}
	return rs.In(zones)
}

// setZone puts addresses into a zone as the application does.
func (s *story) setZone(p netip.Prefix, name string) {
	s.zones = maps.Clone(s.zones)
	if s.zones == nil {
		s.zones = make(map[netip.Prefix]firewall.Zone)
	}
	var z firewall.Zone
	if delete(s.zones, p); name != "none" {
		if err := z.UnmarshalText([]byte(name)); err != nil {
			s.Fatal(err)
		}
		s.zones[p] = z
	}
	s.setRules(func(rules []firewall.Rule) []firewall.Rule { return rules })
}

// setRules puts changed rules into force as the application does.
func (s *story) setRules(change func([]firewall.Rule) []firewall.Rule) {
	s.rules = change(slices.Clone(s.rules))
	if s.engine == nil {
		return
	}
	rs := s.ruleset()
	s.engine.SetRules(rs)
	s.apply()
}

func (s *story) apply() {
	if err := s.backend.Apply(s.ruleset().Policy(s.mode, false)); err != nil {
		s.Fatal(err)
	}
}

func (s *story) addRule(r firewall.Rule) {
	s.setRules(func(rules []firewall.Rule) []firewall.Rule { return append(rules, r) })
}

func (s *story) removeRules(which func(firewall.Rule) bool) {
	s.setRules(func(rules []firewall.Rule) []firewall.Rule { return slices.DeleteFunc(rules, which) })
}

// wait lets time pass, and ends timed rules as the application does.
func (s *story) wait(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); s.settle() {
		next := end
		for _, r := range s.rules {
			if at := r.Until.At; at.After(time.Now()) && at.Before(next) {
				next = at
			}
		}
		time.Sleep(time.Until(next))
		now := time.Now()
		s.removeRules(func(r firewall.Rule) bool { return !r.Until.At.IsZero() && !now.Before(r.Until.At) })
	}
}
