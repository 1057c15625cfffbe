package ui

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

func TestAProgramShowsTheIconOfItsFile(t *testing.T) {
	f := newIconFinder()
	notepad := filepath.Join(os.Getenv("SystemRoot"), "notepad.exe")
	icon := f.find(notepad)
	if icon == nil {
		t.Fatal("Notepad has no icon")
	}
	m, err := png.Decode(bytes.NewReader(icon.Content()))
	if err != nil {
		t.Fatal(err)
	}
	clear, drawn := false, false
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			_, _, _, a := m.At(x, y).RGBA()
			clear, drawn = clear || a == 0, drawn || a == 0xffff
		}
	}
	if !clear || !drawn {
		t.Errorf("its icon has transparent pixels: %t, opaque ones: %t", clear, drawn)
	}
	if again := f.find(notepad); again != icon {
		t.Error("it was read twice")
	}
	for _, none := range []string{"", "kernel", `C:\nowhere\x.exe`, `\\server\share\x.exe`, os.Args[0] + "x", "service:x:" + notepad} {
		if f.find(none) != nil {
			t.Errorf("%q has an icon", none)
		}
	}
}
