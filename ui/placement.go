package ui

import "math"

// promptMargin is the space between the prompt and the screen's edges, in pixels.
const promptMargin = 12

// pixels rounds a length as Fyne does.
func pixels(v float32) int { return int(math.Ceil(float64(v))) }
