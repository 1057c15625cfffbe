package identity_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/identity"
)

// story is a prover, the files that it knows, and what it told.
type story struct {
	*testing.T
	*identity.Prover
	named bool // rules name every path

	mu      sync.Mutex
	files   map[string]string // the content at each path
	stamps  map[string]firewall.Stamp
	owners  map[string]firewall.Proof
	slow    time.Duration // to read a file
	reads   int
	kept    map[string]firewall.Identity
	known   [][2]firewall.Program
	carried []firewall.Identity
	moved   []firewall.Identity
}

const path = "/usr/bin/curl"

func tell(t *testing.T, f func(s *story)) {
	synctest.Test(t, func(t *testing.T) {
		s := &story{T: t, files: map[string]string{}, stamps: map[string]firewall.Stamp{}, owners: map[string]firewall.Proof{},
			kept: map[string]firewall.Identity{}, named: true}
		defer s.start()()
		f(s)
	})
}

// start begins with what was kept; the function returned ends it.
func (s *story) start() func() {
	var all []firewall.Identity
	for _, i := range s.kept {
		all = append(all, i)
	}
	s.Prover = identity.New(all, identity.Options{
		Named:   func(path string) bool { return s.named || s.kept[path].Path != "" },
		Keep:    func(i firewall.Identity) { s.kept[i.Path] = i },
		Owner:   func(path string) firewall.Proof { s.mu.Lock(); defer s.mu.Unlock(); return s.owners[path] },
		Known:   func(old, now firewall.Program) { s.known = append(s.known, [2]firewall.Program{old, now}) },
		Carried: func(i firewall.Identity) { s.carried = append(s.carried, i) },
		Moved:   func(_ string, i firewall.Identity) { s.moved = append(s.moved, i) },
	})
	ctx, stop := context.WithCancel(s.Context())
	go s.Prover.Run(ctx)
	return func() { stop(); synctest.Wait() }
}

// put puts a file at a path.
func (s *story) put(path, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = content
	s.stamps[path] = firewall.Stamp{Device: 1, Inode: 2, Changed: s.stamps[path].Changed + int64(time.Hour)}
}

// own has a package vouch for the file at path; the zero proof: none does.
func (s *story) own(path string, p firewall.Proof) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[path] = p
}

// meet has the prover meet the file at path, and returns as which program it
// counts at first and once everything is settled.
func (s *story) meet(path string) (first, settled firewall.Program) {
	s.Helper()
	stamp := s.stamps[path]
	ask := func() (firewall.Program, <-chan struct{}) {
		return s.Identify(firewall.Program{Path: path}, stamp, func(ctx context.Context, f func(io.Reader) error) error {
			time.Sleep(s.slow)
			s.mu.Lock()
			s.reads++
			now, content := s.stamps[path], s.files[path]
			s.mu.Unlock()
			if now != stamp {
				return errors.New("replaced")
			}
			return f(strings.NewReader(content))
		})
	}
	first, wait := ask()
	if wait != nil {
		<-wait
	}
	time.Sleep(s.slow)
	synctest.Wait()
	settled, wait = ask()
	if wait != nil {
		s.Error("it is not settled")
	}
	return first, settled
}

// is checks as which program the file at path counts in the end.
func (s *story) is(want firewall.ProgramKind) {
	s.Helper()
	if _, p := s.meet(path); p.Kind != want || p.Path != path {
		s.Errorf("it counts as %+v", p)
	}
}

func (s *story) accept(p firewall.Program) error {
	return s.Accept(p, func(is ...firewall.Identity) error {
		for _, i := range is {
			s.kept[i.Path] = i
			s.Put(i)
		}
		return nil
	})
}

func sum(content string) string {
	b := sha256.Sum256([]byte(content))
	return hex.EncodeToString(b[:])
}
