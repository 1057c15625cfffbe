package app

import (
	"cmp"
	"maps"
	"slices"
	"strings"
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
	read      func(pid int) (process.Facts, error)        // process.Of
	starterOf func(pid int, started time.Time) string     // process.StarterOf
	started   func(pid int, started time.Time, by string) // told what started a process that is asked about
	late      func()                                      // called when facts came after factPatience

	mu    sync.Mutex
	of    map[running]*fact
	slots chan struct{} // as many as may read at once
	users users
}

// running is a process for as long as it runs one file.
type running struct {
	pid  int
	path string
}

func runningOf(a firewall.Attempt) running { return running{a.PID, a.Program.Path} }

// fact is what is known of a process that is asked about.
type fact struct {
	known
	started time.Time // of the process
	begun   time.Time
	waiting int           // flows that wait for an answer
	done    chan struct{} // closed when it was read; known may be looked at then
}

// known are the facts of a process, and what is said of them.
type known struct {
	process.Facts
	starter string // see [firewall.Attempt.StartedBy]
	words   words
}

// words are facts as prompts and lines of the log say them.
type words struct{ warnings, facts []string }

func newFacts(started func(pid int, started time.Time, by string), late func()) *facts {
	return &facts{
		read: process.Of, starterOf: process.StarterOf, started: started, late: late,
		of: map[running]*fact{}, slots: make(chan struct{}, factReaders), users: newUsers(),
	}
}

// about returns what is known of the prompts' processes, in their order. It
// waits for a moment only.
func (f *facts) about(prompts []firewall.Prompt) []known {
	all := make([]*fact, len(prompts))
	f.mu.Lock()
	for i, p := range prompts {
		all[i] = f.begin(p.First)
	}
	f.mu.Unlock()
	out := make([]known, len(prompts))
	for i, one := range all {
		if one.wait() {
			out[i] = one.known
		}
	}
	return out
}

// decided returns the facts for a line of the log, nil if its flow was not
// asked about. It returns at once.
func (f *facts) decided(e firewall.Entry) *fact {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Reason == firewall.Asked {
		one := f.begin(e.Attempt)
		one.waiting++
		return one
	}
	if len(f.of) == 0 {
		return nil
	}
	one := f.of[runningOf(e.Attempt)]
	if one == nil || one.waiting == 0 || !one.isOf(e.Attempt) {
		return nil
	}
	one.waiting--
	return one
}

// keep forgets the facts for which no flow waits and no prompt is open.
func (f *facts) keep(prompts []firewall.Prompt) {
	open := make(map[running]bool, len(prompts))
	for _, p := range prompts {
		open[runningOf(p.First)] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.of, func(r running, one *fact) bool { return one.waiting == 0 && !open[r] })
}

// begin returns the facts of the process that made the attempt, which may
// still have to be read.
func (f *facts) begin(a firewall.Attempt) *fact {
	one := f.of[runningOf(a)]
	if one == nil || !one.isOf(a) {
		one = &fact{started: a.Started, begun: time.Now(), done: make(chan struct{})}
		f.of[runningOf(a)] = one
		go f.learn(one, a)
	}
	return one
}

// isOf tells whether the fact is of the attempt's process, and not of one that
// had its PID before.
func (f *fact) isOf(a firewall.Attempt) bool { return near(f.started, a.Started) }

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
		if now, err := f.read(a.PID); err == nil && (a.Started.IsZero() || near(now.Started, a.Started)) && !otherProgram(now, a) {
			one.known = known{now, cmp.Or(a.StartedBy, f.starterOf(a.PID, now.Started)), inWords(now, a.Program, time.Now())}
		}
		<-f.slots
		f.started(a.PID, a.Started, one.starter)
	}
	close(one.done)
	if time.Since(one.begun) >= factPatience {
		f.late()
	}
}

// read returns what is to be said, as far as it is known by now.
func (f *fact) read() words {
	select {
	case <-f.done:
		return f.words
	default:
		return words{}
	}
}

// otherProgram tells whether the process has become another program since.
func otherProgram(now process.Facts, a firewall.Attempt) bool {
	switch a.Program.Kind {
	case firewall.Executable, firewall.Changed, firewall.Interpreted:
	default:
		return false
	}
	return now.Path != "" && asWritten(now.Path) != asWritten(inside(a.Program.Path)) && !seesItElsewhere(now.Path)
}

// seesItElsewhere tells whether a process has its file at another path than the
// program that it is: in what an AppImage mounted, or as a Flatpak app.
func seesItElsewhere(path string) bool {
	return strings.Contains(path, "/.mount_") || strings.HasPrefix(path, "/app/")
}

// inside is the path as the process itself names it.
func inside(path string) string {
	if _, inside, ok := firewall.InContainer(path); ok {
		return inside
	}
	return path
}

// inWords says what is known of a process that runs the program. What the
// program itself is said to be is not said again.
func inWords(f process.Facts, p firewall.Program, now time.Time) (said words) {
	f.File.Deleted = f.File.Deleted && p.Why != "deleted"
	if p.Why == "in another mount namespace" {
		f.Namespaces = slices.DeleteFunc(slices.Clone(f.Namespaces), func(kind string) bool { return kind == "mount" })
	}
	for _, fact := range f.Words(now) {
		if fact.Worrying {
			said.warnings = append(said.warnings, fact.Text)
		} else {
			said.facts = append(said.facts, fact.Text)
		}
	}
	said.facts = append(resolverInWords(p), said.facts...)
	return said
}

// resolverInWords says for whom the local resolver asks.
func resolverInWords(p firewall.Program) []string {
	if p.Kind == firewall.Changed || !firewall.IsLocalResolver(p.ID()) {
		return nil
	}
	return []string{"asks for: other programs, which of them cannot be known"}
}

// near tells whether two readings of a process's start are the same one: one of
// them counts from boot, and knows the time of boot in whole seconds.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 2*time.Second }
