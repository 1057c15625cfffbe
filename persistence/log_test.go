package persistence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func entry(program string, at time.Time) firewall.Entry {
	return firewall.Entry{
		Attempt: firewall.Attempt{
			Flow: firewall.Flow{Protocol: firewall.TCP, Local: netip.MustParseAddrPort("192.0.2.1:40000"),
				Remote: netip.MustParseAddrPort("[2001:db8::1]:443")},
			Program: firewall.Program{Kind: firewall.Executable, Path: program},
			PID:     7, UID: 1000, Host: "example.org", Time: at.UTC(),
		},
		Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByRule, Rule: "r1", Scope: firewall.ThisProgram},
		Count:    1,
	}
}

func TestLogTellsWhatHappenedNewestFirst(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	stored, err := s.PutRules([]firewall.Rule{curl(443)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Microsecond)
	written := make(chan []Line, 10)
	j := NewJournal(s)
	j.Written = func(l []Line) { written <- l }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	first, second := entry("/usr/bin/curl", now), entry("/usr/bin/\xff", now.Add(time.Second))
	second.Count = 3
	j.Append(first)
	j.Append(second)
	j.Collect(second)
	j.Note(Change{Time: now, UID: 1000, PID: 9, Program: "/usr/bin/sallyport", Text: "rule r1 added"})
	select {
	case l := <-written:
		if len(l) != 3 || l[0].ID == 0 || l[0].ID >= l[1].ID {
			t.Errorf("Written got %+v", l)
		}
	case <-time.After(time.Second):
		t.Fatal("a line is not there within a second")
	}
	lines, err := s.Log(context.Background(), Query{})
	if err != nil || len(lines) != 3 || lines[0].Change.Text != "rule r1 added" || lines[1].Entry != second || lines[2].Entry != first {
		t.Errorf("log is %+v, %v", lines, err)
	}
	if seen, err := s.Seen(); err != nil || len(seen) != 1 || seen[0].Program != "/usr/bin/\xff" || seen[0].Count != 3 {
		t.Errorf("seen are %+v, %v", seen, err)
	}
	if rules, err := s.Rules(); err != nil || rules[0].ID != stored[0].ID || rules[0].Hits != 4 || !rules[0].LastUsed.Equal(second.Time) {
		t.Errorf("rule is %+v, %v", rules, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLogFindsWhatAScanFinds(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	bounds, _ := s.Settings()
	bounds.LogMaxBytes = 1 << 62
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for range 20 {
		var b batch
		for range 100 {
			b.lines = append(b.lines, Line{Entry: entry(fmt.Sprintf("/bin/p%d", r.IntN(7)), now)})
		}
		if err := s.writeBatch(b, bounds, now); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Log(context.Background(), Query{Limit: 1 << 30})
	if err != nil || len(all) != 2000 {
		t.Fatal(len(all), err)
	}
	scan := func(q Query) (ids []LineID) {
		for _, l := range all {
			if (q.Program == "" || LogName(l.Entry.Program) == q.Program) && (q.Before == 0 || l.ID < q.Before) && len(ids) < q.Limit {
				ids = append(ids, l.ID)
			}
		}
		return ids
	}
	for range 300 {
		q := Query{Before: LineID(r.IntN(2100)), Limit: 1 + r.IntN(150)}
		if n := r.IntN(9); n < 8 {
			q.Program = fmt.Sprintf("/bin/p%d", n)
		}
		lines, err := s.Log(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		var got []LineID
		for _, l := range lines {
			got = append(got, l.ID)
		}
		if want := scan(q); !slices.Equal(got, want) {
			t.Fatalf("%+v found %v, a scan %v", q, got, want)
		}
	}
}

func TestLogStaysWithinItsBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, _ := open(t, path)
	bounds := Settings{LogMaxBytes: 100_000, LogMaxAge: time.Hour}
	start := time.Now()
	for i := range 40 {
		b := batch{lines: make([]Line, 500)}
		for k := range b.lines {
			b.lines[k].Entry = entry(fmt.Sprintf("/bin/p%d", i%5), start)
		}
		if err := s.writeBatch(b, bounds, start); err != nil {
			t.Fatal(err)
		}
	}
	n, err := s.Count()
	lines, _ := s.Log(context.Background(), Query{Limit: 1 << 30})
	if err != nil || n != len(lines) || n < 100 || n > 1000 {
		t.Fatalf("%d lines, counted %d, %v", len(lines), n, err)
	}
	if lines, _ := s.Log(context.Background(), Query{Program: "/bin/p0"}); len(lines) != 0 {
		t.Errorf("the index keeps %d lines that are gone", len(lines))
	}
	// Two hours later everything is too old.
	if err := s.writeBatch(batch{}, bounds, start.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Count(); n != 0 {
		t.Errorf("%d lines are older than permitted", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkFile(path); err != nil {
		t.Errorf("our check: %v", err)
	}
}

func TestFullQueueIsCounted(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	j := NewJournal(s)
	for range queueBound + 10 {
		j.Append(entry("/bin/p", time.Now()))
	}
	if j.Lost() != 10 {
		t.Errorf("lost %d", j.Lost())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(); n != queueBound || err != nil {
		t.Error(n, err)
	}
}

func BenchmarkLog(b *testing.B) {
	s, _, err := Open(filepath.Join(b.TempDir(), "db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	bounds := Settings{LogMaxBytes: 1 << 62, LogMaxAge: 1 << 62}
	now := time.Now()
	for range n / batchBound {
		lines := make([]Line, batchBound)
		for i := range lines {
			lines[i].Entry = entry(fmt.Sprintf("/usr/bin/program%d", i%50), now)
		}
		if err := s.writeBatch(batch{lines: lines}, bounds, now); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d lines a second written", int(float64(n)/time.Since(now).Seconds()))
	for name, q := range map[string]Query{"newest": {}, "program": {Program: "/usr/bin/program7"}, "deep": {Before: LineID(n / 2)}, "text": {Text: "program7"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if l, err := s.Log(context.Background(), q); err != nil || len(l) != 100 {
					b.Fatal(len(l), err)
				}
			}
		})
	}
	b.Run("text-that-is-not-there", func(b *testing.B) {
		for b.Loop() {
			if l, err := s.Log(b.Context(), Query{Text: "nowhere"}); err != nil || len(l) != 0 {
				b.Fatal(len(l), err)
			}
		}
	})
	b.Run("put-rule", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.PutRules([]firewall.Rule{curl(443)}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPutRule(b *testing.B) {
	s, _, err := Open(filepath.Join(b.TempDir(), "db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if _, err := s.PutRules([]firewall.Rule{curl(443)}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSync is what the disk takes for the two syncs of a commit.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		for range 2 {
			if _, err := f.WriteAt(page, 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestALineKeepsWhatWasKnownWhenItWasWritten(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	written := make(chan []Line, 1)
	j := NewJournal(s)
	j.Written = func(l []Line) { written <- l }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	asked := entry("/usr/bin/curl", time.Now())
	known := make(chan []string, 1)
	j.AppendKnown(asked, func() (warnings, facts []string) { return <-known, []string{"user: \u00e4nna"} })
	known <- []string{"LD_PRELOAD is set: /tmp/x.so"}
	now := <-written
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	lines, err := s.Log(context.Background(), Query{})
	if err != nil || len(lines) != 1 || len(now) != 1 {
		t.Fatalf("log is %+v, %v", lines, err)
	}
	for _, l := range []Line{lines[0], now[0]} {
		if !slices.Equal(l.Warnings, []string{"LD_PRELOAD is set: /tmp/x.so"}) || !slices.Equal(l.Facts, []string{"user: \u00e4nna"}) || l.Entry.PID != 7 {
			t.Errorf("line is %+v", l)
		}
	}
}
