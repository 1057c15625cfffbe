//go:build linux

package e2e

import (
	"fmt"
	"image"
	"slices"
	"testing"
	"time"
)

// visiblePatience is how soon a held connection must raise the prompt.
const visiblePatience = 300 * time.Millisecond

// visible measures from connect(), called by a program that was never seen, to
// the prompt drawn on the screen, and allows the program.
func visible(t testing.TB, w *world, d *desktop, name string) time.Duration {
	t.Helper()
	c := w.connect(name)
	var shown time.Time
	// The Allow button is in the middle of the place of every prompt.
	button := sight{image.Rect(1200, 700, 1201, 760), allowButton.color}
	poll(t, "the prompt is drawn", func() bool { shown = time.Now(); return w.screen.shows(button) })
	took := shown.Sub(c.connecting())
	prompt := d.waitForPrompt()
	d.answer(prompt, "Allow")
	c.wait()
	d.waitForNone()
	poll(t, "the prompt is off the screen", func() bool { return !w.screen.shows(button) })
	t.Logf("%s: connect() → prompt drawn: %v", name, took.Round(time.Millisecond))
	return took
}

// Other work on the machine can hold up any one prompt, so the median counts.
// The first question is one of them: its window was made ahead of time.
func TestThePromptIsVisibleAtOnce(t *testing.T) {
	w := newWorld(t, "fast")
	d := w.desktop()
	var all []time.Duration
	for i := range 5 {
		all = append(all, visible(t, w, d, fmt.Sprintf("program-%d", i)))
	}
	if slices.Sort(all); all[2] > visiblePatience {
		t.Errorf("the prompt was visible after %v, want at most %v", all, visiblePatience)
	}
}

// BenchmarkPromptVisible gives the median and the worst time from connect() to
// the prompt drawn, of the first question and 19 more.
func BenchmarkPromptVisible(b *testing.B) {
	w := newWorld(b, "bench")
	d := w.desktop()
	var all []time.Duration
	for i := range 20 {
		all = append(all, visible(b, w, d, fmt.Sprintf("program-%d", i)))
	}
	first := all[0]
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(first), "first-ms")
	b.ReportMetric(ms(all[len(all)/2]), "median-ms")
	b.ReportMetric(ms(all[len(all)-1]), "worst-ms")
	b.ReportMetric(0, "ns/op")
}
