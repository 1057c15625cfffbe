package app

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// table prints aligned columns.
type table struct {
	env  *env
	rows [][]string
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = clean(c)
	}
	t.rows = append(t.rows, cells)
}

func (t *table) print() {
	if len(t.rows) == 0 {
		return
	}
	widths := make([]int, len(t.rows[0]))
	for _, r := range t.rows {
		for i, c := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range t.rows {
		t.env.line(widths, r)
	}
}

// line prints cells in columns of these widths; longer cells push the rest.
func (e *env) line(widths []int, cells []string) {
	var b strings.Builder
	for i, c := range cells {
		b.WriteString(e.paint(c))
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(c), 0)+2))
		}
	}
	fmt.Fprintln(e.out, strings.TrimRight(b.String(), " "))
}

// clean takes what could fool the reader of a terminal out of a text that
// comes from a program or from the network, and bounds it.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != ' ' {
			return '\uFFFD'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:199]) + "…"
	}
	return s
}
