package persistence

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// sieve passes over stored lines that cannot match a query, without decoding
// them. It may let lines through that do not match, never the reverse.
type sieve struct {
	verdict []byte          // as in a stored line; nil lets all through
	text    string          // in lower case; "" lets all through
	paths   map[string]bool // whether a path, as in a stored line, holds the text
	lower   []byte          // a line in lower case
}

func newSieve(q Query) *sieve {
	s := &sieve{text: strings.ToLower(q.Text), paths: map[string]bool{}}
	if q.Verdict != nil {
		s.verdict = []byte(`"v":"` + q.Verdict.String() + `"`)
	}
	return s
}

var (
	executable = []byte(`"k":1,`) // a line of a flow whose program is a path, and no more
	pathBegins = []byte(`"p":"`)
)

func (s *sieve) mayPass(line []byte) bool {
	if s.verdict != nil && !bytes.Contains(line, s.verdict) {
		return false
	}
	if s.text == "" || !bytes.Contains(line, executable) {
		return true
	}
	if _, path, ok := bytes.Cut(line, pathBegins); ok {
		path, _, _ = bytes.Cut(path, []byte{'"'})
		holds, known := s.paths[string(path)]
		if !known {
			text, err := base64.StdEncoding.DecodeString(string(path))
			holds = err != nil || strings.Contains(strings.ToLower(string(text)), s.text)
			s.paths[string(path)] = holds
		}
		if holds {
			return true
		}
	}
	s.lower = s.lower[:0]
	for _, c := range line {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		s.lower = append(s.lower, c)
	}
	return bytes.Contains(s.lower, []byte(s.text))
}
