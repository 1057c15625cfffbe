package ui

import "fyne.io/fyne/v2"

type fitKey struct {
	text  string
	width int
	size  float32
	bold  bool
}

// fitted remembers shortened texts; it belongs to Fyne's goroutine.
var fitted = map[fitKey]string{}

// maxFitted bounds what is remembered.
const maxFitted = 8192

// fit cuts a text to a width, for [canvas.Text] is drawn beyond its size.
func fit(s string, width, size float32, bold bool) string {
	if width <= 0 || s == "" || float32(len(s))*size < width {
		return s
	}
	key := fitKey{s, int(width), size, bold}
	if short, ok := fitted[key]; ok {
		return short
	}
	if len(fitted) >= maxFitted {
		clear(fitted)
	}
	short := cut(s, width, size, fyne.TextStyle{Bold: bold})
	fitted[key] = short
	return short
}

func cut(s string, width, size float32, style fyne.TextStyle) string {
	if fyne.MeasureText(s, size, style).Width <= width {
		return s
	}
	letters := []rune(s)
	low, high := 0, len(letters)
	for low < high {
		middle := (low + high + 1) / 2
		if fyne.MeasureText(string(letters[:middle])+"…", size, style).Width <= width {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return string(letters[:low]) + "…"
}
