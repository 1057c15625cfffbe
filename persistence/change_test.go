package persistence

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// changer makes rules, each with its line in the log, until it is killed.
func changer(path string) error {
	s, _, err := Open(path)
	if err != nil {
		return err
	}
	j := NewJournal(s)
	for i := 0; ; i++ {
		r := curl(443)
		r.Note = fmt.Sprintf("rule %d of %d", i, time.Now().UnixNano())
		if _, err := j.Update(Update{Put: []firewall.Rule{r}}, Change{Time: time.Now(), Text: r.Note}); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// killed runs a role until it is killed at a random point of what it writes.
func killed(t *testing.T, doing, path string) {
	t.Helper()
	c := role(t, doing, path)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for range 1 + rand.IntN(10) {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond) // a random point of the next write
	c.Process.Kill()
	io.Copy(io.Discard, lines)
	c.Wait()
}

func TestARuleOfAKilledEngineHasItsLineInTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "sallyport.db")
	for range few(50) {
		killed(t, "changer", path)

		s, r, err := Open(path)
		if err != nil || len(r.Notes()) > 0 {
			t.Fatal(r.Notes(), err)
		}
		rules, noted := map[string]bool{}, map[string]bool{}
		all, err := s.Rules()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			rules[r.Note] = true
		}
		log, err := s.Log(context.Background(), Query{Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range log {
			noted[l.Change.Text] = true
		}
		if !maps.Equal(rules, noted) {
			t.Fatalf("%d rules, %d lines", len(rules), len(noted))
		}
		if n, err := s.Count(); err != nil || n != len(log) {
			t.Fatalf("%d lines are counted, there are %d (%v)", n, len(log), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Windows leave out a line that is older than one they have.
func TestLinesAreToldInTheOrderOfTheirNumbers(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	j := NewJournal(s)
	var told []Line
	j.Written = func(l []Line) { told = append(told, l...) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	for i := range 100 {
		j.Append(entry("/bin/p", time.Now()))
		if i%10 == 0 {
			go j.Flush(ctx)
		}
		if _, err := j.Update(Update{Put: []firewall.Rule{curl(uint16(i + 1))}}, Change{Time: time.Now(), Text: "a rule"}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(told, func(a, b Line) int { return int(a.ID) - int(b.ID) }) || len(told) != 200 {
		t.Errorf("%d lines were told: %v", len(told), told)
	}
}

// A rule is worth more than its line.
func TestADamagedLogKeepsNobodyFromChangingARule(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	if err := s.update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(logKey, []byte("damaged")) }); err != nil {
		t.Fatal(err)
	}
	j := NewJournal(s)
	if _, err := j.Update(Update{Put: []firewall.Rule{curl(443)}}, Change{Text: "a rule"}); err != nil {
		t.Fatal(err)
	}
	if rules, err := s.Rules(); err != nil || len(rules) != 1 {
		t.Errorf("%d rules, %v", len(rules), err)
	}
	if len(j.queue) != 1 || !strings.Contains(j.queue[0].Change.Text, "a rule") {
		t.Errorf("what waits to be written is %+v", j.queue)
	}
}
