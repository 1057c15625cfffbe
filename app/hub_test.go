package app

import (
	"context"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func TestASlowWatcherIsToldWhatItLost(t *testing.T) {
	r := newRig(t, firewall.ModeAllow, onlyUs)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	entered, resume, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	got, lost, first := 0, 0, true
	total := maxPending + 500
	go func() {
		defer close(ended)
		r.Watch(ctx, func(e ui.Event) {
			if first {
				first = false
				close(entered)
				<-resume
			}
			got += len(e.Log)
			lost += e.Lost
			if got+lost >= total {
				cancel()
			}
		})
	}()
	<-entered
	for range total {
		r.engine.Decided(firewall.Entry{Attempt: attempt("/usr/bin/curl", "192.0.2.1:443"), Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByRule}, Count: 1})
	}
	r.log(t, ui.LogQuery{})
	close(resume)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the watch goes on")
	}
	if got+lost != total || lost == 0 {
		t.Fatalf("%d lines came and %d were lost of %d", got, lost, total)
	}
}

func TestTheQuestionGoesToTheOwnersSessionElseToTheActiveOne(t *testing.T) {
	desktop := func(uid int, session string) *watching {
		return &watching{peer: link.Peer{UID: uid, Desktop: true, Session: session}}
	}
	ann, bob, bobs2nd, terminal := desktop(1000, "2"), desktop(1001, "3"), desktop(1001, "4"), &watching{peer: link.Peer{UID: 1000}}
	for _, test := range []struct {
		name   string
		there  []*watching
		active string
		uid    int
		want   []*watching
	}{
		{"the owner alone", []*watching{ann, bob}, "3", 1000, []*watching{ann}},
		{"all of the owner's", []*watching{ann, bob, bobs2nd}, "2", 1001, []*watching{bob, bobs2nd}},
		{"the active one", []*watching{ann, bob}, "3", 0, []*watching{bob}},
		{"all if none is active", []*watching{ann, bob}, "", 0, []*watching{ann, bob}},
		{"never a terminal", []*watching{terminal, bob}, "", 1000, []*watching{bob}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &hub{active: test.active, watchers: map[*watching]struct{}{}}
			for _, w := range test.there {
				h.watchers[w] = struct{}{}
			}
			asked := 0
			for _, w := range test.there {
				if h.here(w, test.uid) {
					asked++
				}
			}
			for _, w := range test.want {
				if !h.here(w, test.uid) {
					t.Errorf("uid %d session %s is not asked", w.peer.UID, w.peer.Session)
				}
			}
			if asked != len(test.want) {
				t.Errorf("%d are asked, want %d", asked, len(test.want))
			}
		})
	}
}
