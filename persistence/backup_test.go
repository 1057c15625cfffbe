package persistence

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func TestBackupOnlyWhenSomethingChanged(t *testing.T) {
	path, _ := filled(t)
	s, _ := open(t, path)
	if name, err := s.Backup(); name != "" || err != nil {
		t.Errorf("nothing changed: %q, %v", name, err)
	}
	if err := s.SetSetting("notifications", "off"); err != nil {
		t.Fatal(err)
	}
	if name, err := s.Backup(); name == "" || err != nil {
		t.Errorf("a setting changed: %q, %v", name, err)
	}
	if n := len(s.backups()); n != 2 {
		t.Errorf("%d backups", n)
	}
}

func TestBackupsOfSevenDaysAreKept(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	var names []string
	for i := range 20 * 24 * 6 { // every ten minutes for twenty days
		names = append(names, backupPrefix+now.Add(-time.Duration(i)*10*time.Minute).Format(stamp)+"-0"+backupSuffix)
	}
	gone := surplus(names, now)
	days := map[string]bool{}
	kept := 0
	for i, name := range names {
		if slices.Contains(gone, name) {
			if i < keepNewest {
				t.Errorf("removed %s, one of the newest", name)
			}
			continue
		}
		kept++
		days[backupTime(name).Format(time.DateOnly)] = true
	}
	if len(days) != 8 || kept > keepNewest+7*24+1 {
		t.Errorf("kept %d of %d days", kept, len(days))
	}
}

func TestDamagedBackupIsPassedOver(t *testing.T) {
	path, rules := filled(t)
	s, _ := open(t, path)
	if _, err := s.PutRules([]firewall.Rule{curl(7)}, nil); err != nil {
		t.Fatal(err)
	}
	newest, err := s.Backup()
	if err != nil || newest == "" {
		t.Fatal(newest, err)
	}
	s.Close()
	if err := os.Truncate(newest, 200); err != nil {
		t.Fatal(err)
	}
	wound(t, path, []byte("x"))
	if r := sound(t, "damaged backup", path, rules); r.Restored == newest || r.Restored == "" || len(r.Records) != 1 {
		t.Errorf("report is %+v", r)
	}
}

func TestTheIDOfARemovedRuleIsNotGivenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "db")
	s, _ := open(t, path)
	given := map[firewall.RuleID]bool{}
	give := func(s *Store, when string) {
		t.Helper()
		stored, err := s.PutRules([]firewall.Rule{curl(443)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if id := stored[0].ID; given[id] {
			t.Errorf("%s: %s is given again", when, id)
		} else {
			given[id] = true
		}
	}
	remove := func(s *Store, ids ...firewall.RuleID) {
		t.Helper()
		if _, err := s.PutRules(nil, ids); err != nil {
			t.Fatal(err)
		}
	}
	give(s, "at first")
	give(s, "at first")
	remove(s, "r1", "r2")
	if _, err := s.Backup(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wound(t, path, []byte("no database"))
	s, report := open(t, path)
	if report.Restored == "" {
		t.Fatalf("nothing was restored: %+v", report)
	}
	give(s, "after a restore")
	exported, err := s.Document()
	if err != nil {
		t.Fatal(err)
	}
	imported := curl(80)
	imported.ID, imported.Created = "r7", time.Now()
	given["r7"] = true
	exported.Rules = []firewall.Rule{imported}
	if _, _, err := s.Replace(exported); err != nil {
		t.Fatal(err)
	}
	remove(s, "r7")
	for range 5 {
		give(s, "after an import")
	}
	other, _ := open(t, filepath.Join(t.TempDir(), "other", "db"))
	if _, _, err := other.Replace(exported); err != nil {
		t.Fatal(err)
	}
	remove(other, "r7")
	if stored, err := other.PutRules([]firewall.Rule{curl(443)}, nil); err != nil || stored[0].ID != "r8" {
		t.Errorf("on another computer: %+v, %v", stored, err)
	}
	imported.ID = "r18446744073709551615"
	exported.Rules, exported.LastID = []firewall.Rule{imported}, 1<<64-1
	if _, _, err := s.Replace(exported); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		give(s, "after the largest number")
	}
	if name, err := s.Backup(); name == "" || err != nil {
		t.Errorf("backed up as %q: %v", name, err)
	}
}
