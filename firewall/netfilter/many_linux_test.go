package netfilter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// manyRules are 10,000 rules of 2,500 programs, of which every other exists.
func (w *world) manyRules() (rules []firewall.Rule) {
	w.t.Helper()
	for i := range 2500 {
		path := filepath.Join(w.dir, fmt.Sprintf("program-%04d", i))
		if i%2 == 0 {
			w.executable(filepath.Base(path), []byte("#!/bin/true\n"))
		}
		for j := range 4 {
			r := firewall.Rule{ID: firewall.RuleID(fmt.Sprintf("many-%d-%d", i, j)), Program: path, Verdict: firewall.Block}
			if j > 0 {
				r.Verdict, r.Port = firewall.Allow, uint16(j)
			}
			if i%5 != 0 {
				r.Port = uint16(j + 1)
			}
			rules = append(rules, r)
		}
	}
	return rules
}

// An answer is in force within 5 ms, among 10,000 rules and with thousands of
// destinations that the kernel has learnt.
func TestAnAnswerAmongManyRulesIsInForceAtOnce(t *testing.T) {
	const (
		within  = 5 * time.Millisecond
		learnt  = 4000
		rounds  = 15
		startIn = 10 * time.Second
	)
	world := newWorld(t)
	rules := append(world.manyRules(), firewall.Rule{ID: "udp", Program: firewall.AnyProgram, Protocol: firewall.UDP, Verdict: firewall.Allow})
	began := time.Now()
	g := world.guard(setup{Rules: rules})
	if took := time.Since(began); took > startIn {
		t.Errorf("the start took %v", took)
	} else {
		t.Logf("started within %v", took)
	}
	talker := world.talk(world.program("learnt"))
	must(t, talker, "open udp4")
	for port := range learnt {
		must(t, talker, fmt.Sprintf("sendto 10.77.0.2:%d x", 10000+port))
	}
	var took, changes []time.Duration
	for i := range rounds {
		path := world.program(fmt.Sprint("asked-", i))
		program := world.talk(path)
		must(t, program, "open tcp4")
		program.send(t, "connect 10.77.0.2:7000")
		p := g.asked(path)
		rule := firewall.Rule{ID: firewall.RuleID(path), Program: path, Verdict: firewall.Allow}
		began := time.Now()
		answered := g.tell(request{Do: "answer", Put: &rule, Answer: firewall.Answer{Prompt: p.ID, Verdict: firewall.Allow, Rule: &rule.ID}}).At
		changes = append(changes, time.Since(began))
		r := program.next(t)
		if r.Error != "" {
			t.Fatalf("allowed, but %s", r.Error)
		}
		took = append(took, r.Ended.Sub(answered))
	}
	slices.Sort(took)
	slices.Sort(changes)
	if took[0] > within {
		t.Errorf("the fastest of %d answers connected after %v, the promise is %v", rounds, took[0], within)
	}
	t.Logf("connected within %v, half of them within %v, all within %v", took[0], took[rounds/2], took[rounds-1])
	t.Logf("a change was wholly in force within %v, half of them within %v", changes[0], changes[rounds/2])
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") {
			t.Log(strings.TrimSpace(line)) // of the test's engine, the whole test binary
		}
	}
	before := world.queued()
	for port := range learnt {
		must(t, talker, fmt.Sprintf("sendto 10.77.0.2:%d x", 10000+port))
	}
	if trips := world.queued() - before; trips > learnt/100 {
		t.Errorf("after the answers, %d of %d learnt destinations took the trip to the engine again", trips, learnt)
	}
}
