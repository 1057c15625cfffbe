package netfilter

import (
	"fmt"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	// lookPatience is how long the queue waits for a look at a program's file:
	// a file system at hand answers much sooner.
	lookPatience = 20 * time.Millisecond
	// answersWithin is how long anybody waits, all in all.
	answersWithin = 2 * time.Second
	// maxLooks may not have ended: each keeps a thread of the system.
	maxLooks = 128
)

// looks are those at files which may be on a file system that does not answer:
// a packet waits for one, the queue does not.
type looks struct {
	mu      sync.Mutex
	running map[kernelProgram]*identifying
}

// identifying is a look at what a program is. All but done may be read once
// done is closed.
type identifying struct {
	began   time.Time
	done    chan struct{}
	program firewall.Program
	settled <-chan struct{}
}

// at looks at what the key's program is, once for all who ask meanwhile. nil:
// too many looks have not ended.
func (l *looks) at(key kernelProgram, look func() (firewall.Program, <-chan struct{})) *identifying {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.running[key]; one != nil || len(l.running) >= maxLooks {
		return one
	}
	one := &identifying{began: time.Now(), done: make(chan struct{})}
	l.running[key] = one
	go func() {
		one.program, one.settled = look()
		close(one.done)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.running, key)
	}()
	return one
}

// program says which program the key is; pid helps while the process lives.
func (i *identities) program(key kernelProgram, pid uint32) firewall.Program {
	p, _ := i.within(answersWithin, key, pid)
	return p
}

// within is program; settled is that of [firewall.Identify]. A program of which
// the file system does not answer in time is unidentified until it does.
func (i *identities) within(patience time.Duration, key kernelProgram, pid uint32) (p firewall.Program, settled <-chan struct{}) {
	if i.isKnown(key) {
		return i.look(key, pid)
	}
	const why = "its file system does not answer"
	dead := firewall.Program{File: fmt.Sprintf("process %d: %s", pid, why), Why: why}
	one := i.looks.at(key, func() (firewall.Program, <-chan struct{}) { return i.look(key, pid) })
	if one == nil {
		return dead, nil
	}
	enough := time.NewTimer(min(patience, time.Until(one.began.Add(answersWithin))))
	defer enough.Stop()
	select {
	case <-one.done:
		return one.program, one.settled
	case <-enough.C:
		return dead, one.done
	}
}

// look is within that waits for the file system.
func (i *identities) look(key kernelProgram, pid uint32) (p firewall.Program, settled <-chan struct{}) {
	s := i.file(key.whole(), pid)
	p, settled = i.proven(s.Program, s.stamp)
	p, script := i.provenScript(i.interpreters.particular(p, key, pid), key)
	if script != nil {
		settled = script
	}
	return p, settled
}

// isKnown tells whether no file needs to be looked at.
func (i *identities) isKnown(key kernelProgram) bool {
	i.mu.Lock()
	p, ok := i.known[key.whole()]
	i.mu.Unlock()
	if !ok || p.Kind != firewall.Executable {
		return ok || key.Inode == 0
	}
	if _, interprets := familyOf(p.Path); !interprets {
		return true
	}
	_, ok = i.interpreters.seen(key)
	return ok
}
