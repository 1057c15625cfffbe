package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// filled makes a database with rules, settings, a log and a backup, and closes
// it.
func filled(t *testing.T) (path string, rules []firewall.Rule) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "data", "sallyport.db")
	s, _ := open(t, path)
	var put []firewall.Rule
	for i := range 120 {
		r := curl(uint16(i + 1))
		r.Program = fmt.Sprintf("/opt/app%d/bin/program", i%40)
		put = append(put, r)
	}
	rules, err := s.PutRules(put, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetMode(firewall.ModeAsk); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSetting("fail", "open"); err != nil {
		t.Fatal(err)
	}
	var b batch
	for i := range 300 {
		b.lines = append(b.lines, Line{Entry: entry(fmt.Sprintf("/bin/p%d", i%9), time.Now())})
	}
	if err := s.log(b); err != nil {
		t.Fatal(err)
	}
	if name, err := s.Backup(); err != nil || name == "" {
		t.Fatal(name, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, rules
}

// sound opens the database, demands that no rule is lost or changed without a
// word, and that it can be used.
func sound(t *testing.T, what, path string, want []firewall.Rule) Report {
	t.Helper()
	s, r, err := Open(path)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close()
	have, err := s.Rules()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !slices.EqualFunc(have, want, func(a, b firewall.Rule) bool { a.Hits, a.LastUsed = 0, time.Time{}; return a == b }) &&
		len(r.Notes()) == 0 {
		t.Fatalf("%s: %d rules of %d, or others, and no word of it", what, len(have), len(want))
	}
	if r.Restored != "" && len(have) != len(want) {
		t.Fatalf("%s: %d rules restored of %d", what, len(have), len(want))
	}
	if _, err := s.Log(context.Background(), Query{Limit: 1000}); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if _, err := s.PutRules([]firewall.Rule{curl(9)}, nil); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return r
}

// wound writes a damaged copy of the database in place of what is there.
func wound(t *testing.T, path string, data []byte) {
	t.Helper()
	aside, _ := filepath.Glob(path + ".damaged-*")
	for _, name := range aside {
		os.Remove(name)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableFilesAreSetAsideAndTheBackupRestored(t *testing.T) {
	path, rules := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign")
	db, err := openBolt(foreign)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }), db.Close()); err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":           {},
		"text":            []byte("this is no database\n"),
		"zeroes":          make([]byte, len(whole)),
		"another program": other,
		"half":            whole[:len(whole)/2],
		"metas only":      whole[:8192],
	} {
		t.Run(name, func(t *testing.T) {
			wound(t, path, data)
			r := sound(t, name, path, rules)
			if r.Damage == "" || r.SetAside == "" || r.Restored == "" || r.Rules != len(rules) || len(r.Notes()) == 0 {
				t.Errorf("report is %+v", r)
			}
			if kept, err := os.ReadFile(r.SetAside); err != nil || !bytes.Equal(kept, data) {
				t.Errorf("what was set aside is not what was there: %v", err)
			}
		})
	}
	t.Run("deleted", func(t *testing.T) {
		os.Remove(path)
		if r := sound(t, "deleted", path, rules); r.Restored == "" || r.SetAside != "" {
			t.Errorf("report is %+v", r)
		}
	})
}

// few is n, or a tenth of it where time is short: the race detector makes
// every step ten times slower.
func few(n int) int {
	if testing.Short() || raceDetector {
		return n / 10
	}
	return n
}

func TestTruncatedAnywhere(t *testing.T) {
	path, rules := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 1; at < len(whole); at += 1 + len(whole)/few(60) {
		wound(t, path, whole[:at])
		sound(t, fmt.Sprintf("cut at %d", at), path, rules)
	}
}

func TestFlippedBits(t *testing.T) {
	path, rules := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := bytes.TrimRight(whole, "\x00")
	r := rand.New(rand.NewPCG(3, 4))
	for i := range few(400) {
		data := bytes.Clone(whole)
		at := r.IntN(len(used))
		if i%2 == 0 { // the headers, where a flip does most harm
			at = at/4096*4096 + r.IntN(256)
			at = min(at, len(data)-1)
		}
		data[at] ^= 1 << r.IntN(8)
		wound(t, path, data)
		sound(t, fmt.Sprintf("flip at %d", at), path, rules)
	}
}

func TestDamagedRuleIsSetAsideAlone(t *testing.T) {
	path, rules := filled(t)
	db, err := openBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := []byte("bad!{not json")
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(rulesBucket).Put([]byte(rules[3].ID), bad) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, r := open(t, path)
	if r.Damage != "" || len(r.Records) != 1 || !strings.Contains(r.Notes()[0], string(rules[3].ID)) {
		t.Errorf("report is %+v", r)
	}
	if have, err := s.Rules(); err != nil || len(have) != len(rules)-1 {
		t.Errorf("%d rules, %v", len(have), err)
	}
	s.view(func(tx *bbolt.Tx) error {
		if kept := tx.Bucket(asideBucket).Get([]byte("rules/" + string(rules[3].ID))); !bytes.Equal(kept, bad) {
			t.Errorf("kept %q", kept)
		}
		return nil
	})
	s.Close()
	if _, r := open(t, path); len(r.Notes()) != 0 {
		t.Errorf("told again: %v", r.Notes())
	}
}

func TestNewerFileIsRefusedUntouched(t *testing.T) {
	path, _ := filled(t)
	db, err := openBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return put(tx.Bucket(metaBucket), formatKey, len(steps)+2) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if _, _, err := Open(path); !errors.Is(err, ErrNewer) {
		t.Errorf("opened: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed: %v", err)
	}
	if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) > 0 {
		t.Errorf("set aside: %v", aside)
	}
}

func TestSecondEngineIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	open(t, path)
	if _, _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second engine: %v", err)
	}
}

func TestFolderOfOthersIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	if err := os.WriteFile(filepath.Join(dir, "theirs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(filepath.Join(dir, "sallyport.db")); err == nil {
		t.Error("opened in a folder of others")
	}
	fresh := filepath.Join(t.TempDir(), "a", "b")
	open(t, filepath.Join(fresh, "sallyport.db"))
	for _, name := range []string{fresh, filepath.Join(fresh, "sallyport.db")} {
		if err := isPrivate(name); err != nil {
			t.Error(err)
		}
	}
}

// A disk that fails under an open database faults in mapped memory; here the
// file is cut off instead.
func TestFaultWhileRunningIsAnError(t *testing.T) {
	path, _ := filled(t)
	s, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Truncate(path, 8192); err != nil {
		if runtime.GOOS == "windows" {
			return // it lets nobody cut off a file in mapped memory
		}
		t.Fatal(err)
	}
	if _, err := s.Rules(); err == nil || !strings.Contains(err.Error(), "the database failed") {
		t.Errorf("rules of a file that is cut off: %v", err)
	}
	if _, err := s.PutRules([]firewall.Rule{curl(1)}, nil); err == nil {
		t.Error("a rule was acknowledged after the database failed")
	}
	j := NewJournal(s)
	j.Log = slog.New(slog.DiscardHandler)
	j.Append(entry("/bin/p", time.Now()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Run(ctx); err == nil || j.Lost() != 1 || j.Trouble() == "" {
		t.Errorf("%v, lost %d, trouble %q", err, j.Lost(), j.Trouble())
	}
}
