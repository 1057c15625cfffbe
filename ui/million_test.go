//go:build !race

package ui_test

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// Rows are Fyne's to keep; the lines are ours.
func TestFewLinesAreHeldWhileAMillionAreScrolledThrough(t *testing.T) {
	const lines, bound = 1_000_000, 25_000
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, lines), ui.ViewActivity)
	d.sees("firefox")
	most := 0
	see := func() { most = max(most, d.ui.HeldLines()) }
	d.all(lines)
	see()
	for y := float32(0); y < lines*32; y += 32 * 977 {
		d.log().ScrollToOffset(y)
		d.loop.Run()
		see()
	}
	if t.Logf("at most %d lines were held", most); most > bound {
		t.Errorf("%d lines were held, want at most %d", most, bound)
	}
	d.log().ScrollToOffset(0)
	d.sees("firefox")
}
