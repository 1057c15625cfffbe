package ui

import (
	"strconv"
	"strings"
)

// Matches tells whether a line is one that the query selects, apart from
// Before and Limit. Lines of changes name no program and have no verdict: they
// match as long as neither is asked for.
func (q LogQuery) Matches(l LogLine) bool {
	if q.Program != "" && l.Program != q.Program || q.Verdict != "" && l.Verdict != q.Verdict {
		return false
	}
	if !q.Since.IsZero() && l.Time.Before(q.Since) {
		return false
	}
	if q.Text == "" {
		return true
	}
	text := strings.ToLower(q.Text)
	for _, s := range []string{l.Program, l.Name, l.Host, l.Remote, l.Note} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return l.Port != 0 && strconv.Itoa(int(l.Port)) == text
}

// newerLine tells whether a log line's ID is newer than another: ids are
// numbers that grow with time.
func newerLine(id, than string) bool {
	if len(id) != len(than) {
		return len(id) > len(than)
	}
	return id > than
}
