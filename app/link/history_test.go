package link

import (
	"testing"

	"sallyport.dev/sallyport/ui"
)

// What a person may not do, they may not do by taking something back either.
func TestUndoNeedsWhatTheChangeBackNeeds(t *testing.T) {
	for _, c := range []struct {
		change ui.Change
		want   need
	}{
		{ui.Change{Rules: []string{"r1"}}, toManage},
		{ui.Change{Before: map[string]string{"mode": ""}}, toManage},
		{ui.Change{Before: map[string]string{"mode": "ask", "patience": "30s"}}, toManage},
		{ui.Change{Before: map[string]string{"mode": "off"}}, toWeaken},
		{ui.Change{Before: map[string]string{"mode": "lock"}}, toWeaken},
		{ui.Change{Before: map[string]string{"mode": "no mode"}}, toWeaken},
		{ui.Change{Before: map[string]string{"fail": ""}}, toWeaken},
		{ui.Change{Before: map[string]string{"user": "anna"}}, toWeaken},
		{ui.Change{Import: true}, toWeaken},
	} {
		if n := needOfUndo(c.change); n != c.want {
			t.Errorf("%+v needs %v, want %v", c.change, n, c.want)
		}
	}
}
