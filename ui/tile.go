package ui

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
)

// tile is a program's icon, or its first letter on a colour of its own.
type tile struct {
	Container *fyne.Container
	icons     *iconFinder
	back      *canvas.Rectangle
	letter    *canvas.Text
	icon      *canvas.Image
}

func newTile(size float32, icons *iconFinder) *tile {
	t := &tile{icons: icons, icon: &canvas.Image{FillMode: canvas.ImageFillContain}, back: canvas.NewRectangle(color.Transparent), letter: canvas.NewText("", color.White)}
	t.back.CornerRadius = size / 4
	t.letter.TextSize = size * 0.6
	if size > 24 {
		t.letter.TextSize = size * 0.46
	}
	t.letter.TextStyle.Bold = true
	t.letter.Alignment = fyne.TextAlignCenter
	t.icon.Hide()
	t.Container = container.New(sized{size, size}, t.back, t.letter, t.icon)
	return t
}

// set shows a program: its icon, else its name gives the letter, and its
// identity the colour, so that two programs of the same name look different.
func (t *tile) set(name, program string) {
	icon := t.icons.find(program)
	setVisible(t.back, icon == nil)
	setVisible(t.letter, icon == nil)
	setVisible(t.icon, icon != nil)
	if icon != nil {
		if t.icon.Resource != icon {
			t.icon.Resource = icon
			t.icon.Refresh()
		}
		return
	}
	setFill(t.back, tileColor(program))
	setText(t.letter, tileLetter(name), color.White)
}

var tileColors = []color.NRGBA{
	rgb(0x3667b0), rgb(0xb4472f), rgb(0x2d6a4f), rgb(0x611f69), rgb(0xa80030), rgb(0x0f766e),
	rgb(0x55606e), rgb(0x9a5b00), rgb(0x4c51bf), rgb(0x7a4a2b), rgb(0xc2570c), rgb(0x3f6212),
}

func tileColor(program string) color.Color {
	h := fnv.New32a()
	fmt.Fprint(h, program)
	return tileColors[h.Sum32()%uint32(len(tileColors))]
}

func tileLetter(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return strings.ToUpper(string(r))
		}
	}
	return "?"
}
