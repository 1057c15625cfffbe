package persistence

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// TestMain plays another process when a test starts the tests again.
func TestMain(m *testing.M) {
	roles := map[string]func(path string) error{"writer": writer, "changer": changer, "full disk": fillDisk, "doer": doer}
	if role := roles[os.Getenv("PERSISTENCE_TEST_ROLE")]; role != nil {
		if err := role(os.Getenv("PERSISTENCE_TEST_PATH")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func role(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), "PERSISTENCE_TEST_ROLE="+name, "PERSISTENCE_TEST_PATH="+path)
	return c
}

// writer writes rules and log lines until it is killed, and says what it does:
// "+ID" once a rule is acknowledged, "-ID" before one is removed, "!ID" once
// that is acknowledged.
func writer(path string) error {
	s, r, err := Open(path)
	if err != nil {
		return err
	}
	if notes := r.Notes(); len(notes) > 0 {
		return errors.New(notes[0])
	}
	rules, err := s.Rules()
	if err != nil {
		return err
	}
	fmt.Println("up")
	for i := 0; ; i++ {
		put := []firewall.Rule{curl(uint16(i)), curl(uint16(i + 1))}
		put[0].Note = strings.Repeat("n", i%700)
		stored, err := s.PutRules(put, nil)
		if err != nil {
			return err
		}
		fmt.Printf("+%s\n+%s\n", stored[0].ID, stored[1].ID)
		if rules = append(rules, stored...); len(rules) > 100 {
			fmt.Printf("-%s\n", rules[0].ID)
			if _, err := s.PutRules(nil, []firewall.RuleID{rules[0].ID}); err != nil {
				return err
			}
			fmt.Printf("!%s\n", rules[0].ID)
			rules = rules[1:]
		}
		if err := s.log(batch{lines: []Line{{Entry: entry("/bin/p", time.Now())}}}); err != nil {
			return err
		}
	}
}

func TestAcknowledgedRulesSurviveKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "sallyport.db")
	present, removed := map[string]bool{}, map[string]bool{}
	for round := range few(200) {
		c := role(t, "writer", path)
		var stderr strings.Builder
		c.Stderr = &stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		killed := false
		for left := 1 + rand.IntN(25); ; left-- {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			switch id := strings.TrimSpace(line[1:]); line[0] {
			case '+':
				present[id] = true
			case '-':
				delete(present, id) // it may be there or not, until that is acknowledged
			case '!':
				removed[id] = true
			}
			if left <= 0 && !killed {
				killed = true
				<-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond) // a random point of the next write
				c.Process.Kill()
			}
		}
		io.Copy(io.Discard, lines)
		c.Wait()
		if !killed {
			t.Fatalf("round %d: the writer ended by itself: %s", round, stderr.String())
		}
		s, r, err := Open(path)
		if err != nil || len(r.Notes()) > 0 {
			t.Fatalf("round %d: %v %v", round, r.Notes(), err)
		}
		rules, err := s.Rules()
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		for _, rule := range rules {
			have[string(rule.ID)] = true
		}
		for id := range present {
			if !have[id] {
				t.Fatalf("round %d: the acknowledged rule %s is lost", round, id)
			}
		}
		for id := range removed {
			if have[id] {
				t.Fatalf("round %d: the rule %s is back, its removal was acknowledged", round, id)
			}
		}
		// What was written and not acknowledged may be there, and counts from now on.
		present = have
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
