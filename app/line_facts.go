package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

const (
	linePatience = 500 * time.Millisecond // how long a line of the log waits for who uses its program
	maxUsers     = 1024                   // processes of which that is remembered
	maxLooking   = 256                    // and that is looked for at a time: more than that is a flood
	maxCalled    = 100                    // bytes of a program's name in a sentence
)

// ofLine returns what says what a line of the log tells beside its flow; nil if
// that is nothing. It returns at once.
func (f *facts) ofLine(e firewall.Entry) func() (warnings, facts []string) {
	hands := handsInWords(e.Socket)
	if one := f.decided(e); one != nil {
		return func() (warnings, facts []string) {
			said := one.read()
			return append(hands, said.warnings...), append(tunnelInWords(e.Attempt), said.facts...)
		}
	}
	one := f.users.of(e.Attempt)
	what := append(resolverInWords(e.Program), tunnelInWords(e.Attempt)...)
	if one == nil && hands == nil && what == nil {
		return nil
	}
	return func() (warnings, facts []string) { return hands, append(what, one.wait()...) }
}

// users knows who uses programs to talk for them, by the process that talks.
type users struct {
	usedBy func(pid int, started time.Time, path string, parent int) (process.Fact, bool) // process.UsedBy

	mu      sync.Mutex
	known   map[talker]*use
	looking int
	slots   chan struct{}
}

type talker struct {
	running
	parent int
}

// use is the fact who uses a program, which may still be looked for.
type use struct {
	started, begun time.Time
	facts          []string
	done           chan struct{}
}

func newUsers() users {
	return users{usedBy: process.UsedBy, known: map[talker]*use{}, slots: make(chan struct{}, factReaders)}
}

// of returns who uses the attempt's program, nil if nobody can tell.
func (u *users) of(a firewall.Attempt) *use {
	if a.PID <= 0 || a.Started.IsZero() {
		return nil
	}
	key := talker{runningOf(a), a.Parent}
	u.mu.Lock()
	defer u.mu.Unlock()
	if one := u.known[key]; one != nil && near(one.started, a.Started) {
		return one
	}
	if u.looking >= maxLooking {
		return nil
	}
	if len(u.known) >= maxUsers {
		clear(u.known)
	}
	one := &use{started: a.Started, begun: time.Now(), done: make(chan struct{})}
	u.known[key] = one
	u.looking++
	go u.look(one, a)
	return one
}

func (u *users) look(one *use, a firewall.Attempt) {
	u.slots <- struct{}{}
	if fact, ok := u.usedBy(a.PID, a.Started, inside(a.Program.Path), a.Parent); ok {
		one.facts = []string{fact.Text}
	}
	<-u.slots
	u.mu.Lock()
	u.looking--
	u.mu.Unlock()
	close(one.done)
}

// wait returns what is known, at the latest when the line's patience ends.
func (u *use) wait() []string {
	if u == nil {
		return nil
	}
	select {
	case <-u.done:
		return u.facts
	case <-time.After(time.Until(u.begun.Add(linePatience))):
		return nil
	}
}

// tunnels are the protocols that the kernel itself sends only as a tunnel.
var tunnels = map[firewall.Protocol]string{4: "IP in IP", 41: "IPv6 in IP", firewall.GRE: "GRE", firewall.ESP: "IPsec", firewall.AH: "IPsec"}

// tunnelInWords says for which kind of tunnel the kernel sends.
func tunnelInWords(a firewall.Attempt) []string {
	if kind := tunnels[a.Protocol]; a.Program.Kind == firewall.Kernel && kind != "" {
		return []string{"tunnel: " + kind + ", whose content is other programs'"}
	}
	return nil
}

// handsInWords says, as a worrying fact, that a socket is in other hands.
func handsInWords(h firewall.Hands) []string {
	if h == (firewall.Hands{}) {
		return nil
	}
	opener, user := filepath.Base(h.Opener.Program), filepath.Base(h.User.Program)
	if opener == user && h.Opener.Program != h.User.Program {
		opener, user = h.Opener.Program, h.User.Program
	}
	return []string{fmt.Sprintf("socket opened by %s, used by %s", holderInWords(opener, h.Opener, h), holderInWords(user, h.User, h))}
}

func holderInWords(called string, holder firewall.Holder, h firewall.Hands) string {
	if called = strings.ToValidUTF8(called, "�"); len(called) > maxCalled {
		called = "…" + strings.ToValidUTF8(called[len(called)-maxCalled:], "")
	}
	if h.Opener.UID != h.User.UID {
		return fmt.Sprintf("%s (pid %d, uid %d)", called, holder.PID, holder.UID)
	}
	return fmt.Sprintf("%s (pid %d)", called, holder.PID)
}
