package windivert

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/identity"
	"sallyport.dev/sallyport/firewall/process"
)

// programFile is the file of a program.
type programFile struct {
	mu      sync.Mutex
	content string
	signed  process.Signature
	stamp   firewall.Stamp
	slow    time.Duration // to read or verify it
	reads   int
}

// put puts a file at the path of a program, which takes so long to read.
func (w *world) put(name, content string, signed process.Signature, slow time.Duration) *programFile {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.files == nil {
		w.files = map[string]*programFile{}
	}
	w.port++ // another stamp each time
	f := &programFile{content: content, signed: signed, slow: slow,
		stamp: firewall.Stamp{Device: 1, Inode: 2, Changed: time.Now().UnixNano(), Number: int64(w.port)}}
	w.files[program(name).Path] = f
	return f
}

// describe says what the system knows of the file that runs.
func (f *programFile) describe(r *process.Running) {
	r.Stamp, r.Read = f.stamp, f.read
	if f.slow == 0 {
		r.Signer, r.Product = f.signed.Signer, f.signed.Product
		return
	}
	if f.signed == (process.Signature{}) {
		return
	}
	verified := make(chan struct{})
	time.AfterFunc(f.slow, func() { close(verified) })
	r.Verified, r.Signed = verified, func() process.Signature { return f.signed }
}

func (f *programFile) read(ctx context.Context, from func(*io.SectionReader) error) error {
	select {
	case <-time.After(f.slow):
	case <-ctx.Done():
		return errors.New("stopped")
	}
	f.mu.Lock()
	f.reads++
	f.mu.Unlock()
	return from(io.NewSectionReader(strings.NewReader(f.content), 0, int64(len(f.content))))
}

// prove has the site know the programs that rules name, until the test ends.
func (s *site) prove(t *testing.T) {
	s.prover = identity.New(nil, identity.Options{
		Named: func(path string) bool { s.mu.Lock(); defer s.mu.Unlock(); return s.rules.Names(path) },
		Keep:  func(firewall.Identity) {},
		Owner: s.world.proof,
		Known: func(old, now firewall.Program) {
			s.engine.Known(old, now)
			if err := s.apply(firewall.ModeAsk); err != nil {
				s.Error(err)
			}
		},
		Carried: func(i firewall.Identity) { s.mu.Lock(); defer s.mu.Unlock(); s.carried = append(s.carried, i) },
		Moved:   s.moved,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.prover.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// proof is what the system proves of the file at path.
func (w *world) proof(path string, _ *io.SectionReader) (p firewall.Proof) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.files[path]; f != nil {
		p.Signer, p.Product = f.signed.Signer, f.signed.Product
	}
	return p
}

// apply has the backend follow the rules.
func (s *site) apply(m firewall.Mode) error {
	s.mu.Lock()
	p := s.rules.Policy(m, s.open)
	s.mu.Unlock()
	p.Identify = s.prover.Identify
	return s.backend.Apply(p)
}

// moved has the rules for one path count for another.
func (s *site) moved(from string, to firewall.Identity) {
	var more []firewall.Rule
	for r := range s.rules.All() {
		if r.Program == from {
			r.ID, r.Program = r.ID+"-moved", to.Program
			more = append(more, r)
		}
	}
	rules, err := s.rules.Change(more, nil)
	if err != nil {
		s.Error(err)
		return
	}
	s.mu.Lock()
	s.rules, s.carried = rules, append(s.carried, to)
	s.mu.Unlock()
	s.prover.Put(to)
	s.engine.SetRules(rules)
	if err := s.apply(firewall.ModeAsk); err != nil {
		s.Error(err)
	}
}
