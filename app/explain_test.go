package app

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// explained is what is said about the newest line of a program.
func (r *rig) explained(t testing.TB, program string) (ui.Explanation, string) {
	t.Helper()
	lines := r.log(t, ui.LogQuery{Program: program, Limit: 1})
	if len(lines) != 1 {
		t.Fatalf("the lines of %s are %+v", program, lines)
	}
	return r.explainedLine(t, lines[0].ID)
}

// explainedLine is what is said about a line, without users and times.
func (r *rig) explainedLine(t testing.TB, id string) (ui.Explanation, string) {
	t.Helper()
	x, err := r.Explain(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.ReplaceAll(strings.Join(x.Sentences, "\n"), userName(ourselves()), "user")
	if name := userName(ourselves()); name != "" {
		said = strings.ReplaceAll(said, sentenceOf(name)[:len(name)], "User")
	}
	said = regexp.MustCompile(`(?m)^user `).ReplaceAllString(said, "User ") // of a name that begins with a capital
	return x, regexp.MustCompile(`on \d+ \w+ \d{4}, [\d:]+`).ReplaceAllString(said, "then")
}

func says(t testing.TB, said string, want ...string) {
	t.Helper()
	if said != strings.Join(want, "\n") {
		t.Errorf("it is said\n%s\nwant\n%s", said, strings.Join(want, "\n"))
	}
}

// A line tells which rule decided, as it was then, also when the rule was
// changed or removed since, and after the engine was started anew.
func TestALineIsExplainedByTheRuleAsItWasThen(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	wide, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	rule, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Remote: "192.0.2.0/24", Port: 443, Verdict: firewall.Allow, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.1:443")), firewall.Allow, firewall.ByRule)
	x, said := r.explained(t, "/usr/bin/curl")
	says(t, said, "Rule r2 decided: allow /usr/bin/curl to 192.0.2.0/24 port 443.", "User made it in the windows then.",
		"It matched: program /usr/bin/curl, direction out, remote 192.0.2.0/24 (192.0.2.1), port 443.", "Without it rule r1 would have blocked it.")
	if x.Since != "" || x.Rule == nil || x.Without.Rule != wide.ID || x.Change == nil || !x.Change.Undoable || len(x.Met) != 4 {
		t.Errorf("%+v", x)
	}
	line := x.Line.ID

	rule.Enabled = false
	if err := r.ChangeRule(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	x, said = r.explainedLine(t, line)
	if x.Since != "disabled" || !strings.Contains(said, "It was disabled since.") {
		t.Errorf("%+v\n%s", x, said)
	}
	rule.Enabled, rule.Port, rule.Verdict = true, 25, firewall.Block
	if err := r.ChangeRule(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	x, said = r.explainedLine(t, line)
	says(t, said, "Rule r2 decided: allow /usr/bin/curl to 192.0.2.0/24 port 443. This is the rule as it was then: it was changed since.", "User made it in the windows then.",
		"It matched: program /usr/bin/curl, direction out, remote 192.0.2.0/24 (192.0.2.1), port 443.",
		"Since then: change rule r2: block /usr/bin/curl to 192.0.2.0/24 port 25: user in the windows then.", "Without it rule r1 would have blocked it.")
	if x.Since != "changed" || x.Rule.Port != 443 {
		t.Errorf("%+v", x)
	}
	if err := r.RemoveRule(t.Context(), rule.ID, wide.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, r.dir, firewall.ModeAsk, onlyUs)
	x, said = r.explainedLine(t, line)
	if x.Since != "removed" || x.Rule == nil || x.Rule.Port != 443 || !strings.Contains(said, "it was removed since") || !strings.Contains(said, "Without it rule r1 would have blocked it.") {
		t.Errorf("%+v\n%s", x, said)
	}
	// From the line, what removed it is taken back.
	if _, err := r.Undo(t.Context(), x.Change.ID); err != nil {
		t.Fatal(err)
	}
	if x, _ = r.explainedLine(t, line); x.Since != "changed" {
		t.Errorf("%+v", x)
	}
}

// Conditions of every kind are named with what met them.
func TestNewConditionsAreExplained(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	add := func(rule ui.Rule) {
		t.Helper()
		rule.Verdict, rule.Enabled = firewall.Allow, true
		if _, err := r.AddRule(t.Context(), rule); err != nil {
			t.Fatal(err)
		}
	}
	add(ui.Rule{Program: "/usr/bin/dev", Host: "*.example.org", Port: 8000, PortTo: 8999, User: "1000", PassLock: true})
	a := attempt("/usr/bin/dev", "192.0.2.1:8080")
	a.Host, a.PID, a.UID = "www.example.org", 7, 1000
	r.decided(t, r.memory.Dial(a), firewall.Allow, firewall.ByRule)
	_, said := r.explained(t, "/usr/bin/dev")
	says(t, said, "Rule r1 decided: allow /usr/bin/dev to *.example.org port 8000-8999 of user 1000, also when locked.", "User made it in the windows then.",
		"It matched: program /usr/bin/dev, direction out, host *.example.org (www.example.org), port 8000-8999 (8080), user 1000.",
		"Without it a person would have been asked.")

	add(ui.Rule{Program: "/usr/bin/ping", Protocol: firewall.ICMP, ICMPType: 9})
	a = attempt("/usr/bin/ping", "192.0.2.1:0")
	a.Protocol, a.ICMP = firewall.ICMP, 9
	r.decided(t, r.memory.Dial(a), firewall.Allow, firewall.ByRule)
	_, said = r.explained(t, "/usr/bin/ping")
	says(t, said, "Rule r2 decided: allow /usr/bin/ping icmp echo-request.", "User made it in the windows then.",
		"It matched: program /usr/bin/ping, direction out, protocol icmp, ICMP type echo-request (8).", "Without it a person would have been asked.")

	// While a mode is in force for a time, that mode is what is named.
	if err := r.SetModeFor(t.Context(), firewall.ModeOff, time.Hour); err != nil {
		t.Fatal(err)
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/off", "192.0.2.1:1")), firewall.Allow, firewall.ByMode)
	if err := r.SetMode(t.Context(), firewall.ModeBlock); err != nil {
		t.Fatal(err)
	}
	_, said = r.explained(t, "/usr/bin/off")
	says(t, said, "No rule decided: the mode was off.", "In mode ask a person would have been asked.")
}

// The history is bounded: how a rule was before it began is not known, and that
// is said.
func TestARuleOfForgottenTimesIsNotMadeUp(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	rule, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Allow, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.1:443")), firewall.Allow, firewall.ByRule)
	line := r.log(t, ui.LogQuery{Program: "/usr/bin/curl"})[0].ID
	rule.Verdict = firewall.Block
	if err := r.ChangeRule(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	var many []firewall.Rule
	for i := range 4500 {
		many = append(many, firewall.Rule{ID: firewall.RuleID(fmt.Sprint("m", i)), Program: "*", Port: uint16(i + 1), Verdict: firewall.Block, Note: strings.Repeat("x", 4000)})
	}
	r.changing.Lock()
	for range 2 { // the second alone is as large as the history may be
		for i := range many {
			many[i].Disabled = !many[i].Disabled
		}
		if _, err := r.update(t.Context(), persistence.Update{Put: many}, "many rules"); err != nil {
			t.Fatal(err)
		}
	}
	r.changing.Unlock()
	x, said := r.explainedLine(t, line)
	if x.Since != "unknown" || x.Rule != nil || !strings.HasPrefix(said, "Rule r1 decided. Nothing is kept of how it was then.") {
		t.Errorf("%+v\n%s", x, said)
	}
}

// Where no rule decided, that is said, and what would have happened.
func TestLinesWithoutARuleAreExplained(t *testing.T) {
	r := newRig(t, firewall.ModeBlock, onlyUs)
	dial := func(program string, v firewall.Verdict) {
		t.Helper()
		r.decided(t, r.memory.Dial(attempt(program, "192.0.2.1:443")), v, firewall.ByMode)
	}
	dial("/usr/bin/blocked", firewall.Block)
	if err := r.SetMode(t.Context(), firewall.ModeOff); err != nil {
		t.Fatal(err)
	}
	dial("/usr/bin/passed", firewall.Allow)
	if err := r.SetMode(t.Context(), firewall.ModeAsk); err != nil {
		t.Fatal(err)
	}
	_, said := r.explained(t, "/usr/bin/blocked")
	says(t, said, "No rule decided: the mode was block.", "In mode ask a person would have been asked.")
	_, said = r.explained(t, "/usr/bin/passed")
	says(t, said, "No rule decided: the mode was off.", "In mode ask a person would have been asked.")

	held, p := r.ask(t, attempt("/usr/bin/once", "192.0.2.1:443"))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, For: "once"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, held, firewall.Allow, firewall.ByAnswer)
	_, said = r.explained(t, "/usr/bin/once")
	says(t, said, "No rule decided: a person answered, just this once.")

	held, p = r.ask(t, attempt("/usr/bin/always", "192.0.2.1:443"))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, held, firewall.Allow, firewall.ByRule)
	_, said = r.explained(t, "/usr/bin/always")
	says(t, said, "Rule r1 decided: allow /usr/bin/always.", "User made it by an answer then.",
		"It matched: program /usr/bin/always, direction out.", "Without it a person would have been asked.")

	change := r.log(t, ui.LogQuery{Text: "answer: allow /usr/bin/always"})
	x, said := r.explainedLine(t, change[0].ID)
	says(t, said, "User changed this by an answer then.")
	if x.Change == nil || x.Change.ID != change[0].Change || !x.Change.Undoable {
		t.Errorf("%+v", x)
	}
	if _, err := r.Explain(t.Context(), "4711"); !errors.Is(err, ui.ErrNotFound) {
		t.Error(err)
	}
	if _, err := r.Explain(t.Context(), "last"); !errors.Is(err, ui.ErrInvalid) {
		t.Error(err)
	}
}
