package app

import (
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

const (
	// factPatience is how long a question waits for the facts of its process.
	// To name a user the system may ask a directory on the network, which may
	// wait for the answer to this very question.
	factPatience = 50 * time.Millisecond
	factReaders  = 4 // read at once
)

// facts knows the processes that are asked about: it reads each once.
type facts struct {
	read func(pid int) (process.Facts, error) // process.Of
	late func()                               // called when facts came after factPatience

	mu    sync.Mutex
	of    map[firewall.PromptID]*fact
	slots chan struct{} // as many as may read at once
}

// fact is what is known of a prompt's process.
type fact struct {
	process.Facts
	begun time.Time
	done  chan struct{} // closed when it was read; Facts may be looked at then
}

func newFacts(late func()) *facts {
	return &facts{read: process.Of, late: late, of: map[firewall.PromptID]*fact{}, slots: make(chan struct{}, factReaders)}
}

// about returns what is known of the prompts' processes, in their order, and
// forgets all others. It waits for a moment only.
func (f *facts) about(prompts []firewall.Prompt) []process.Facts {
	f.mu.Lock()
	all := make([]*fact, len(prompts))
	keep := make(map[firewall.PromptID]*fact, len(prompts))
	for i, p := range prompts {
		one := f.of[p.ID]
		if one == nil {
			one = &fact{begun: time.Now(), done: make(chan struct{})}
			go f.learn(one, p.First)
		}
		all[i], keep[p.ID] = one, one
	}
	f.of = keep
	f.mu.Unlock()
	known := make([]process.Facts, len(prompts))
	for i, one := range all {
		if one.wait() {
			known[i] = one.Facts
		}
	}
	return known
}

// wait tells whether the fact is known, at the latest when its patience ends.
func (f *fact) wait() bool {
	select {
	case <-f.done:
		return true
	default:
	}
	select {
	case <-f.done:
		return true
	case <-time.After(time.Until(f.begun.Add(factPatience))):
		return false
	}
}

// learn reads the facts of the process that made the attempt. One that is gone
// leaves them empty; one that has its PID now would be named wrongly.
func (f *facts) learn(one *fact, a firewall.Attempt) {
	if a.PID > 0 {
		f.slots <- struct{}{}
		if now, err := f.read(a.PID); err == nil && (a.Started.IsZero() || near(now.Started, a.Started)) {
			one.Facts = now
		}
		<-f.slots
	}
	close(one.done)
	if time.Since(one.begun) >= factPatience {
		f.late()
	}
}

// near tells whether two readings of a process's start are the same one: one of
// them counts from boot, and knows the time of boot in whole seconds.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 2*time.Second }
