package persistence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// fillDisk runs in a mount namespace of its own: it writes rules and log lines
// to a small disk until it is full, and on, and looks for what it was told is
// stored.
func fillDisk(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m,mode=0700"); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	path := filepath.Join(dir, "sallyport.db")
	s, _, err := Open(path)
	if err != nil {
		return err
	}
	acknowledged := map[firewall.RuleID]string{}
	refused := 0
	for i := 0; refused < 40; i++ {
		r := curl(uint16(i))
		r.Note = strings.Repeat(string(rune('a'+i%26)), 400)
		stored, err := s.PutRules([]firewall.Rule{r}, nil)
		switch {
		case err == nil:
			acknowledged[stored[0].ID] = r.Note
		case errors.Is(err, syscall.ENOSPC):
			refused++
		default:
			return fmt.Errorf("after %d rules: %w", len(acknowledged), err)
		}
		var b batch
		for range 50 {
			b.lines = append(b.lines, Line{Entry: entry("/bin/p", time.Now())})
		}
		if err := s.log(b); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("log: %w", err)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	s, report, err := Open(path)
	if err != nil {
		return fmt.Errorf("open on the full disk: %w", err)
	}
	if notes := report.Notes(); len(notes) > 0 {
		return errors.New(notes[0])
	}
	rules, err := s.Rules()
	if err != nil {
		return err
	}
	for _, r := range rules {
		if acknowledged[r.ID] == r.Note {
			delete(acknowledged, r.ID)
		}
	}
	if len(acknowledged) > 0 {
		return fmt.Errorf("%d of %d acknowledged rules are lost", len(acknowledged), len(acknowledged)+len(rules))
	}
	if len(rules) < 10 {
		return fmt.Errorf("only %d rules were stored before the disk was full", len(rules))
	}
	return s.Close()
}

func TestFullDiskLosesNoAcknowledgedRule(t *testing.T) {
	c := role(t, "full disk", t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if err == nil {
		return
	}
	if c.ProcessState == nil || strings.Contains(string(out), "make mounts private") || strings.Contains(string(out), "mount a small disk") {
		missing := fmt.Sprintf("a small disk cannot be mounted in a namespace of the test's own: %v %s", err, out)
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	t.Fatalf("%v: %s", err, out)
}
