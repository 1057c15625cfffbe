package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// history is a store with its journal, and ways to change it.
type history struct {
	*testing.T
	store   *Store
	journal *Journal
}

func newHistory(t *testing.T) *history {
	s, _ := open(t, filepath.Join(t.TempDir(), "data", "sallyport.db"))
	return &history{t, s, NewJournal(s)}
}

// change makes a change and returns its number.
func (h *history) change(u Update, what string) ChangeID {
	h.Helper()
	if _, err := h.journal.Update(u, Change{Time: time.Now(), UID: 1000, Text: what, Way: firewall.WayCommand}); err != nil {
		h.Fatal(err)
	}
	return h.newest().ID
}

func (h *history) newest() PastChange {
	h.Helper()
	all, err := h.store.Changes(0, 1)
	if err != nil || len(all) != 1 {
		h.Fatal(all, err)
	}
	return all[0]
}

func (h *history) undo(id ChangeID) error {
	_, err := h.journal.Undo(id, Change{Time: time.Now(), Text: "undo", Way: firewall.WayUndo})
	return err
}

// is checks that everything that a person decided is as it was.
func (h *history) is(want Document) {
	h.Helper()
	have, err := h.store.Document()
	if err != nil {
		h.Fatal(err)
	}
	have.LastID, want.LastID = 0, 0
	if !reflect.DeepEqual(have, want) {
		h.Errorf("have %+v\nwant %+v", have, want)
	}
}

func (h *history) document() Document {
	h.Helper()
	d, err := h.store.Document()
	if err != nil {
		h.Fatal(err)
	}
	return d
}

// Whatever was changed is as it was before, and after an undo of the undo as it
// was after.
func TestEveryKindOfChangeIsTakenBack(t *testing.T) {
	ask, lock := firewall.ModeAsk, firewall.ModeLock
	changed := curl(443)
	changed.ID, changed.Verdict, changed.Note, changed.By = "r1", firewall.Block, "<&> \u2028 ü", firewall.Author{Way: firewall.WayAnswer, User: "1000"}
	for name, u := range map[string]Update{
		"a rule added":    {Put: []firewall.Rule{curl(80)}},
		"a rule removed":  {Remove: []firewall.RuleID{"r1"}},
		"a rule changed":  {Put: []firewall.Rule{changed}},
		"removed and put": {Remove: []firewall.RuleID{"r1", "r2"}, Put: []firewall.Rule{changed}},
		"the mode":        {Mode: &lock},
		"a setting":       {Settings: map[string]string{"patience": "45s", "fail": "open"}},
		"a setting unset": {Unset: []string{"notifications"}},
		"programs seen":   {Mode: &ask, Put: []firewall.Rule{{Program: "/bin/p", Verdict: firewall.Allow, Proposed: true}}, Unsee: []string{"/bin/p"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			h.change(Update{Put: []firewall.Rule{curl(1), curl(2)}, Settings: map[string]string{"notifications": "off"}}, "what there is")
			used := entry("/usr/bin/curl", time.Now())
			used.Rule, used.Reason = "r1", firewall.ByRule
			if err := h.store.log(batch{lines: []Line{{Entry: used}}, seen: []firewall.Entry{entry("/bin/p", time.Now())}}); err != nil {
				t.Fatal(err)
			}
			before := h.document()
			seen, _ := h.store.Seen()
			id := h.change(u, name)
			after := h.document()
			if reflect.DeepEqual(before, after) {
				t.Fatal("it changed nothing")
			}
			if err := h.undo(id); err != nil {
				t.Fatal(err)
			}
			h.is(before)
			if again, _ := h.store.Seen(); !reflect.DeepEqual(again, seen) {
				t.Errorf("seen %+v, before %+v", again, seen)
			}
			if err := h.undo(id); !errors.Is(err, ErrUndone) {
				t.Errorf("a second time: %v", err)
			}
			if err := h.undo(h.newest().ID); err != nil {
				t.Fatal(err)
			}
			again := h.document() // how often a rule was used, an undo does not forget
			for i := range again.Rules {
				again.Rules[i].Hits, again.Rules[i].LastUsed = after.Rules[i].Hits, after.Rules[i].LastUsed
			}
			if again.LastID = after.LastID; !reflect.DeepEqual(again, after) {
				t.Errorf("again %+v\nafter %+v", again, after)
			}
			if err := h.undo(id); err != nil {
				t.Errorf("after the undo was taken back: %v", err)
			}
			h.is(before)
		})
	}
}

func TestAnImportIsTakenBack(t *testing.T) {
	h := newHistory(t)
	h.change(Update{Put: []firewall.Rule{curl(1), curl(2), curl(3)}, Settings: map[string]string{"patience": "1m"}}, "what there is")
	before := h.document()
	d := before
	d.Rules, d.Settings = slices.Clone(before.Rules[1:]), map[string]string{"fail": "open"}
	d.Rules[0].Verdict = firewall.Ask
	d.Rules = append(d.Rules, firewall.Rule{ID: "x", Program: "*", Verdict: firewall.Block, Created: time.Now().UTC()})
	if _, _, err := h.journal.Replace(d, Change{Time: time.Now(), Way: firewall.WayImport}); err != nil {
		t.Fatal(err)
	}
	if p := h.newest(); len(p.Rules) != 3 || len(p.Settings) != 2 {
		t.Errorf("it changed %+v", p)
	}
	if err := h.undo(h.newest().ID); err != nil {
		t.Fatal(err)
	}
	h.is(before)
}

// What somebody changed since is not touched, nor is anything else.
func TestAConflictChangesNothing(t *testing.T) {
	h := newHistory(t)
	h.change(Update{Put: []firewall.Rule{curl(1), curl(2)}}, "two rules")
	both := h.document().Rules
	both[0].Verdict, both[1].Verdict = firewall.Block, firewall.Block
	id := h.change(Update{Put: both, Settings: map[string]string{"patience": "1m"}}, "both block")
	both[1].Note = "changed since"
	since := h.change(Update{Put: both[1:]}, "a note")
	now := h.document()
	err := h.undo(id)
	if !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "rule r2 is another one now") {
		t.Errorf("undone: %v", err)
	}
	h.is(now)
	if p := h.newest(); p.ID != since {
		t.Errorf("the newest change is %+v", p)
	}
	if err := h.undo(since); err != nil {
		t.Fatal(err)
	}
	if err := h.undo(id); err != nil {
		t.Errorf("once that was taken back: %v", err)
	}
	if err := h.undo(4711); !errors.Is(err, ErrNoChange) {
		t.Errorf("a change that never was: %v", err)
	}
}

func TestWhatIsLeftOfAChangeIsTakenBack(t *testing.T) {
	h := newHistory(t)
	id := h.change(Update{Put: []firewall.Rule{curl(1), curl(2)}}, "two rules")
	h.change(Update{Remove: []firewall.RuleID{"r1"}}, "one is removed")
	if err := h.undo(id); err != nil {
		t.Fatal(err)
	}
	if rules := h.document().Rules; len(rules) != 0 {
		t.Errorf("left are %+v", rules)
	}
	gone := h.change(Update{Put: []firewall.Rule{curl(3)}}, "a rule")
	h.change(Update{Remove: []firewall.RuleID{h.document().Rules[0].ID}}, "removed")
	if err := h.undo(gone); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing is left: %v", err)
	}
}

func TestTheEngineSOwnChangesAreNotTakenBack(t *testing.T) {
	h := newHistory(t)
	h.change(Update{Put: []firewall.Rule{curl(1)}}, "a rule")
	if _, err := h.journal.Update(Update{Remove: []firewall.RuleID{"r1"}}, Change{Time: time.Now(), Automatic: true, Way: firewall.WayEnded}); err != nil {
		t.Fatal(err)
	}
	if err := h.undo(h.newest().ID); !errors.Is(err, ErrAutomatic) {
		t.Error(err)
	}
}

// A change that another version made of rules that this one does not take is
// shown, cannot be taken back, and keeps nobody from the others.
func TestAChangeThatCannotBeReadHidesNoOther(t *testing.T) {
	h := newHistory(t)
	id := h.change(Update{Put: []firewall.Rule{curl(1)}}, "a rule")
	odd := h.change(Update{Remove: []firewall.RuleID{"r1"}}, "an odd one")
	if err := h.store.update(func(tx *bbolt.Tx) error {
		k := number(uint64(odd))
		c, err := decodeChange(k, tx.Bucket(changesBucket).Get(k))
		if err != nil {
			return err
		}
		c.Edits[0].Before = json.RawMessage(`{"id":"r1","program":"of no kind"}`)
		return put(tx.Bucket(changesBucket), k, c)
	}); err != nil {
		t.Fatal(err)
	}
	all, err := h.store.Changes(0, 0)
	if err != nil || len(all) != 2 || all[0].Hindrance == nil || all[0].Text != "an odd one" || len(all[1].Rules) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := h.undo(odd); err == nil || len(h.document().Rules) != 0 {
		t.Errorf("undone: %v", err)
	}
	if err := h.undo(id); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
}

func TestTheHistoryIsBounded(t *testing.T) {
	h := newHistory(t)
	h.change(Update{Put: []firewall.Rule{curl(1)}}, "a rule")
	first := h.newest().ID
	var many []firewall.Rule
	note := strings.Repeat("x", 4000)
	for i := range 2000 {
		r := curl(uint16(i + 2))
		r.Note = note
		many = append(many, r)
	}
	for range 6 { // 8 MB each
		h.change(Update{Put: many}, "many rules")
	}
	all, err := h.store.Changes(0, 0)
	if err != nil || len(all) < 2 || len(all) > 4 {
		t.Errorf("%d changes are kept, %v", len(all), err)
	}
	if err := h.undo(first); !errors.Is(err, ErrNoChange) {
		t.Error(err)
	}
	if err := h.undo(all[0].ID); err != nil {
		t.Error(err)
	}
}

// doer makes rules and takes every second one back, until it is killed.
func doer(path string) error {
	s, _, err := Open(path)
	if err != nil {
		return err
	}
	j := NewJournal(s)
	for i := 0; ; i++ {
		if _, err := j.Update(Update{Put: []firewall.Rule{curl(443)}}, Change{Time: time.Now()}); err != nil {
			return err
		}
		if i%2 == 0 {
			all, err := s.Changes(0, 1)
			if err != nil {
				return err
			}
			if _, err := j.Undo(all[0].ID, Change{Time: time.Now(), Way: firewall.WayUndo}); err != nil {
				return err
			}
		}
		fmt.Println(i)
	}
}

func TestAnUndoOfAKilledEngineIsWholeOrNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "sallyport.db")
	for range few(20) {
		killed(t, "doer", path)

		s, r, err := Open(path)
		if err != nil || len(r.Notes()) > 0 {
			t.Fatal(r.Notes(), err)
		}
		changes, err := s.Changes(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		noted := map[ChangeID]bool{}
		log, err := s.Log(context.Background(), Query{Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range log {
			noted[l.Change.ID] = true
		}
		want := map[firewall.RuleID]bool{}
		for _, c := range changes {
			if c.Undoes == 0 && c.Undone == 0 {
				want[c.Rules[0].ID] = true
			}
			if !noted[c.ID] {
				t.Errorf("change %d has no line", c.ID)
			}
		}
		rules, err := s.Rules()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if !want[r.ID] && len(changes) < maxChanges {
				t.Errorf("rule %s is there, but no change that made it", r.ID)
			}
			delete(want, r.ID)
		}
		if len(want) > 0 {
			t.Errorf("rules %v are gone, but not undone", want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
