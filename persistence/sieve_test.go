package persistence

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// A search must find what looking at each decoded line finds.
func TestASearchPassesNothingOver(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	r := rand.New(rand.NewPCG(3, 4))
	now := time.Now()
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var b batch
	for range 1000 {
		l := Line{Entry: entry(pick("/usr/bin/curl", "/opt/Größe/Ssh", "/usr/bin/\xff", "/bin/a\"b"), now)}
		l.Entry.Program.Kind = firewall.ProgramKind(r.IntN(6))
		l.Entry.Program.Why = pick("", "deleted")
		l.Entry.Program.File = pick("", "8:1:22:33")
		l.Entry.Verdict = firewall.Verdict(r.IntN(3))
		l.Entry.Host = pick("", "www.Example.com", "mail.example.org")
		if r.IntN(10) == 0 {
			l = Line{Change: &Change{Time: now, Program: "/usr/bin/sallyport", Text: pick("mode Ask", "rule for /usr/bin/curl")}}
		}
		b.lines = append(b.lines, l)
	}
	bounds, _ := s.Settings()
	if err := s.writeBatch(b, bounds, now); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "curl", "CURL", "größe", "GRÖSSE", "ssh", "example.COM", "192.0", "443", "deleted", "8:1:22", "foreign:8",
		"kernel", "unidentified", "ask", "for /usr", "a\"b", "\xff", "nowhere", "usr/bin/c"} {
		for _, verdict := range []string{"", "allow", "block"} {
			q := Query{Limit: 1 << 20, Match: func(l Line) bool { return holds(l, text, verdict) }}
			want, err := s.Log(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			q.Text = text
			if v := new(firewall.Verdict); v.UnmarshalText([]byte(verdict)) == nil {
				q.Verdict = v
			}
			have, err := s.Log(t.Context(), q)
			if err != nil || !reflect.DeepEqual(have, want) {
				t.Errorf("%q, %q: found %d of %d lines, %v", text, verdict, len(have), len(want), err)
			}
			if text == "curl" && verdict == "" && len(want) == 0 {
				t.Error("the test looks for nothing")
			}
		}
	}
}

// holds is what the application means by a text in a line.
func holds(l Line, text, verdict string) bool {
	fields := []string{l.Entry.Program.ID(), l.Entry.Program.Name(), l.Entry.Host, l.Entry.Remote.Addr().String(), l.Entry.Program.Why}
	if l.Change != nil {
		fields = []string{l.Change.Program, l.Change.Text}
	}
	if verdict != "" && (l.Change != nil || l.Entry.Verdict.String() != verdict) {
		return false
	}
	for _, field := range fields {
		if strings.Contains(strings.ToLower(field), strings.ToLower(text)) {
			return true
		}
	}
	return l.Change == nil && strconv.Itoa(int(l.Entry.Remote.Port())) == text
}

func TestASearchEndsWithWhoeverAskedForIt(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	bounds, _ := s.Settings()
	var b batch
	for range 3000 {
		b.lines = append(b.lines, Line{Entry: entry("/usr/bin/curl", time.Now())})
	}
	if err := s.writeBatch(b, bounds, time.Now()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	looked := 0
	_, err := s.Log(ctx, Query{Match: func(Line) bool { looked++; cancel(); return false }})
	if !errors.Is(err, context.Canceled) || looked > 1024 {
		t.Errorf("looked at %d lines: %v", looked, err)
	}
}
