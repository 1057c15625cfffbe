package ui

import "testing"

func TestThePromptHasAPlaceOnTheScreen(t *testing.T) {
	if area := workArea(); area.Dx() < 640 || area.Dy() < 400 {
		t.Errorf("the work area is %v", area)
	}
}
