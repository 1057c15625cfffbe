package ui_test

import (
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// scroller is what the log's list and its scrolled area have in common.
type scroller interface {
	ScrollToOffset(float32)
	GetScrollOffset() float32
	ScrollToBottom()
}

func (d *mainDesk) log() scroller {
	d.t.Helper()
	for _, o := range d.objects() {
		if s, ok := o.(scroller); ok {
			return s
		}
	}
	d.t.Fatal("no list on screen")
	return nil
}

// all scrolls until a number of lines can be reached.
func (d *mainDesk) all(lines int) {
	d.t.Helper()
	log := d.log()
	for log.GetScrollOffset() < float32(lines-600)*32 {
		before := log.GetScrollOffset()
		log.ScrollToBottom()
		d.loop.Until(d.t, "older lines come", func() bool { log.ScrollToBottom(); return log.GetScrollOffset() > before })
	}
}

func TestReadingOldLinesIsNotDisturbedByNewOnes(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 2000), ui.ViewActivity)
	d.sees("firefox")
	log := d.log()
	log.ScrollToOffset(3200)
	d.control.Add(ui.LogLine{Kind: "flow", Program: "/opt/new/arrival", Name: "arrival", Protocol: firewall.TCP, Verdict: "block"})
	d.sees("1 new line · show")
	if y := log.GetScrollOffset(); y != 3200 {
		t.Errorf("the list moved to %v", y)
	}
	test.Tap(d.button("1 new line · show"))
	d.sees("arrival")
}

func TestNoLineIsMissingAfterScrollingBackToTheTop(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 2000), ui.ViewActivity)
	d.sees("firefox")
	line := func(name string) ui.LogLine {
		return ui.LogLine{Kind: "flow", Program: "/opt/" + name, Name: name, Protocol: firewall.TCP, Verdict: "block"}
	}
	d.log().ScrollToOffset(3200)
	d.control.Add(line("first"))
	d.sees("1 new line · show")
	d.log().ScrollToOffset(0)
	d.control.Add(line("second"))
	d.sees("second")
	d.sees("first")
}

// The engine tells a window that is too slow for its lines only how many it
// missed.
func TestLinesThatAWindowWasTooSlowForAreReadAgain(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 2000), ui.ViewActivity)
	d.sees("firefox")
	d.control.Miss(ui.LogLine{Kind: "flow", Program: "/opt/missed", Name: "missed", Protocol: firewall.TCP, Verdict: "block"})
	d.sees("missed")
}

func BenchmarkScrollMillion(b *testing.B) {
	const lines = 1_000_000
	d := newMainDesk(b, uitest.New(firewall.ModeAsk, lines), ui.ViewActivity)
	d.sees("firefox")
	d.all(lines)
	log := d.log()
	log.ScrollToOffset(0)
	d.loop.Run()
	y := float32(0)
	for b.Loop() {
		if y += 3 * 32; y > (lines-100)*32 {
			y = 0
		}
		log.ScrollToOffset(y)
		d.loop.Run()
	}
	d.window.Resize(fyne.NewSize(1100, 680))
}

// TestPagesDroppedFromMemoryComeBack goes to the end of a log that is longer
// than what is kept in memory, and then back to its middle.
func TestPagesDroppedFromMemoryComeBack(t *testing.T) {
	const lines = 40_000
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, lines), ui.ViewActivity)
	d.sees("firefox")
	d.all(lines)
	d.loop.Until(t, "the oldest line comes", func() bool {
		d.log().ScrollToBottom()
		return d.reads(uitest.Line(1).Time.Local().Format("2 Jan 15:04:05"))
	})
	for _, row := range []int{20_000, 700, 39_000, 0} {
		d.log().ScrollToOffset(float32(row) * 32)
		d.sees(uitest.Line(lines - row - 1).Time.Local().Format("2 Jan 15:04:05"))
	}
}
