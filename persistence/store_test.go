package persistence

import (
	"path/filepath"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func open(t *testing.T, path string) (*Store, Report) {
	t.Helper()
	s, r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, r
}

func curl(port uint16) firewall.Rule {
	return firewall.Rule{Program: "/usr/bin/curl", Protocol: firewall.TCP, Port: port, Verdict: firewall.Allow, Note: "for a test"}
}

func TestRulesComeBackAsTheyWereStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "sallyport.db")
	s, r := open(t, path)
	if !r.Created || len(r.Notes()) != 0 {
		t.Fatalf("first start reports %+v", r)
	}
	stored, err := s.PutRules([]firewall.Rule{curl(443), curl(80)}, nil)
	if err != nil || len(stored) != 2 || stored[0].ID == stored[1].ID {
		t.Fatal(stored, err)
	}
	if _, err := s.PutRules(nil, []firewall.RuleID{stored[1].ID}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSetting("patience", "1m"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMode(firewall.ModeAsk); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, r = open(t, path)
	if r.Created || r.Damage != "" || len(r.Records) != 0 {
		t.Fatalf("second start reports %+v", r)
	}
	rules, err := s.Rules()
	if err != nil || len(rules) != 1 || rules[0] != stored[0] {
		t.Fatalf("have %+v, want %+v, %v", rules, stored[:1], err)
	}
	if m, chosen, err := s.Mode(); m != firewall.ModeAsk || !chosen || err != nil {
		t.Error(m, chosen, err)
	}
	if set, err := s.Settings(); set.Patience != time.Minute || set.LogMaxBytes != 256e6 || !set.Notifications || err != nil {
		t.Errorf("%+v %v", set, err)
	}
	stored, err = s.PutRules([]firewall.Rule{curl(22)}, nil)
	if err != nil || stored[0].ID != "r3" {
		t.Errorf("an ID was used twice: %v %v", stored, err)
	}
}
