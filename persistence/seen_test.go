package persistence

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func TestProgramsSeenDoNotGrowWithoutEnd(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	bounds, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Hour)
	see := func(from, to int) {
		t.Helper()
		var b batch
		for i := from; i < to; i++ {
			b.seen = append(b.seen, entry(fmt.Sprintf("/tmp/build%d/test", i), start.Add(time.Duration(len(b.seen))*time.Millisecond)))
		}
		start = start.Add(time.Minute)
		if err := s.writeBatch(b, bounds, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	see(0, maxSeen)
	see(0, 1) // once more: it is the newest now
	see(maxSeen, maxSeen+3)
	seen, err := s.Seen()
	if n, failed := s.CountSeen(); err != nil || failed != nil || len(seen) != maxSeen || n != maxSeen {
		t.Fatalf("%d are seen, counted %d: %v, %v", len(seen), n, err, failed)
	}
	have := map[string]bool{}
	for _, one := range seen {
		if one.Direction != firewall.Out {
			t.Fatalf("seen %+v", one)
		}
		have[one.Program] = true
	}
	for i, want := range map[int]bool{0: true, 1: false, 2: false, 3: false, 4: true, maxSeen: true, maxSeen + 2: true} {
		if have[fmt.Sprintf("/tmp/build%d/test", i)] != want {
			t.Errorf("program %d is remembered: %v", i, !want)
		}
	}
}
