package persistence

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// LineID numbers the lines of the log; it grows with time and is never used
// twice. Zero is no line.
type LineID uint64

// Line is a line of the log as it is stored: either an entry or a change.
type Line struct {
	ID     LineID
	Entry  firewall.Entry
	Change *Change // nil for an entry

	// What was known of the process of an entry that a person was asked about:
	// what is worrying, and what else there is to say.
	Warnings, Facts []string

	known func() (warnings, facts []string) // until it is written
}

// lineText is a line as it is stored; the key has its number.
type lineText struct {
	Time    time.Time            `json:"t,omitzero"`
	Kind    firewall.ProgramKind `json:"k,omitempty"`
	Path    []byte               `json:"p,omitempty"` // bytes, since a path need not be UTF-8
	File    string               `json:"f,omitempty"`
	Why     string               `json:"w,omitempty"`
	Service string               `json:"sv,omitempty"`
	Package string               `json:"pk,omitempty"`
	Signer  string               `json:"sg,omitempty"`
	Product string               `json:"pd,omitempty"`
	Family  string               `json:"fm,omitempty"`
	Script  []byte               `json:"st,omitempty"`
	Own     bool                 `json:"own,omitempty"` // the interpreter is replaceable
	PID     int                  `json:"pid,omitempty"`
	Started time.Time            `json:"s,omitzero"`
	UID     int                  `json:"uid,omitempty"`
	Proto   uint8                `json:"pr,omitempty"`
	Dir     firewall.Direction   `json:"d"`
	Local   netip.AddrPort       `json:"l,omitzero"`
	Remote  netip.AddrPort       `json:"r,omitzero"`
	Place   firewall.Place       `json:"pl,omitempty"`
	Host    string               `json:"h,omitempty"`
	Verdict firewall.Verdict     `json:"v"`
	Reason  firewall.Reason      `json:"why,omitempty"`
	Rule    firewall.RuleID      `json:"rule,omitempty"`
	Scope   firewall.Scope       `json:"sc,omitempty"`
	Count   int                  `json:"n,omitempty"`
	Change  *Change              `json:"c,omitempty"`
	Starter []byte               `json:"sb,omitempty"`
	Warn    []string             `json:"wa,omitempty"`
	Facts   []string             `json:"fa,omitempty"`
	ICMP    uint16               `json:"ic,omitempty"`
}

func (l Line) text() lineText {
	if l.Change != nil {
		return lineText{Change: l.Change}
	}
	e := l.Entry
	p := e.Program
	return lineText{e.Time.UTC(), p.Kind, []byte(p.Path), p.File, p.Why, p.Service, p.Package, p.Signer, p.Product, p.Family, []byte(p.Script), p.Replaceable, e.PID, e.Started.UTC(), e.UID,
		uint8(e.Protocol), e.Direction, e.Local, e.Remote, e.Place, e.Host, e.Verdict, e.Reason, e.Rule, e.Scope, e.Count, nil, []byte(e.StartedBy), l.Warnings, l.Facts, e.ICMP}
}

// decodeLine reads a stored line. One that cannot be read becomes a change
// that says so: nothing vanishes in silence.
func decodeLine(key, value []byte) Line {
	l := Line{ID: LineID(binary.BigEndian.Uint64(key))}
	var t lineText
	if err := unseal(key, value, &t); err != nil {
		l.Change = &Change{UID: -1, Text: fmt.Sprintf("this line of the log cannot be read: %v", err)}
		return l
	}
	if t.Change != nil {
		l.Change = t.Change
		return l
	}
	l.Entry.Attempt = firewall.Attempt{
		Flow:    firewall.Flow{Protocol: firewall.Protocol(t.Proto), Direction: t.Dir, Local: t.Local, Remote: t.Remote, ICMP: t.ICMP},
		Program: firewall.Program{Kind: t.Kind, Path: string(t.Path), File: t.File, Why: t.Why, Service: t.Service, Package: t.Package, Signer: t.Signer, Product: t.Product, Family: t.Family, Script: string(t.Script), Replaceable: t.Own},
		PID:     t.PID, Started: t.Started, UID: t.UID, Place: t.Place, Host: t.Host, StartedBy: string(t.Starter), Time: t.Time}
	l.Entry.Decision = firewall.Decision{Verdict: t.Verdict, Reason: t.Reason, Rule: t.Rule, Scope: t.Scope}
	l.Entry.Count = t.Count
	l.Warnings, l.Facts = t.Warn, t.Facts
	return l
}

// time is when the line came about.
func (l Line) time() time.Time {
	if l.Change != nil {
		return l.Change.Time
	}
	return l.Entry.Time
}

// Query selects lines. Zero fields select everything.
type Query struct {
	Program string // a program's [LogName]
	Before  LineID // only lines older than this one
	Since   time.Time
	Match   func(Line) bool // further conditions; lines that fail do not count towards Limit
	Limit   int             // at most so many lines; 0: 100

	// What lines must have to match, as far as that can be told before they are
	// decoded, which takes most of the time: flows decided so, and this text, in
	// any case, in a program's path, a host name, an address or a port.
	Verdict *firewall.Verdict
	Text    string
}

// LogName is the name under which a program's lines are found: its ID, or
// "unidentified".
func LogName(p firewall.Program) string {
	if id := p.ID(); id != "" {
		return id
	}
	return "unidentified"
}

// disorder is how much later than a younger line a line may have happened:
// lines are numbered as they are written.
const disorder = time.Minute

// Log returns matching lines, newest first. Without Match, Verdict and Text its
// cost depends on the number of lines returned only.
func (s *Store) Log(ctx context.Context, q Query) (lines []Line, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	if q.Before == 0 {
		q.Before = ^LineID(0)
	}
	sieve, passed := newSieve(q), 0
	// take looks at a stored line and tells whether to go on.
	take := func(k, v []byte) bool {
		if passed++; passed%1024 == 0 && ctx.Err() != nil {
			return false
		}
		if len(v) < sealSize || !sieve.mayPass(v[sealSize:]) {
			return true
		}
		l := decodeLine(k, v)
		if at := l.time(); !q.Since.IsZero() && !at.IsZero() && at.Before(q.Since) {
			return !at.Before(q.Since.Add(-disorder))
		}
		if q.Match == nil || q.Match(l) {
			lines = append(lines, l)
		}
		return len(lines) < q.Limit
	}
	err = s.view(func(tx *bbolt.Tx) error {
		if q.Program != "" {
			return eachOfProgram(tx, q.Program, uint64(q.Before), take)
		}
		c := tx.Bucket(logBucket).Cursor()
		for k, v := keyBefore(c, number(uint64(q.Before))); k != nil && take(k, v); k, v = c.Prev() {
		}
		return nil
	})
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return lines, nil
}

// keyBefore moves the cursor to the last key that is less than key.
func keyBefore(c *bbolt.Cursor, key []byte) (k, v []byte) {
	if k, _ := c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// programText says which number a program has in the index, and how many
// lines.
type programText struct {
	Number uint64 `json:"number"`
	Lines  uint64 `json:"lines"`
}

func eachOfProgram(tx *bbolt.Tx, name string, older uint64, f func(k, v []byte) bool) error {
	var p programText
	if err := take(tx.Bucket(programsBucket), []byte(name), &p); err != nil || p.Number == 0 {
		return err
	}
	prefix, log := number(p.Number), tx.Bucket(logBucket)
	c := tx.Bucket(indexBucket).Cursor()
	for k, _ := keyBefore(c, append(number(p.Number), number(older)...)); len(k) == 16 && bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
		if v := log.Get(k[8:]); v != nil && !f(k[8:], v) {
			return nil
		}
	}
	return nil
}

// logSize is how many lines the log has, and how many bytes they take.
type logSize struct {
	Lines uint64 `json:"lines"`
	Bytes uint64 `json:"bytes"`
}

// Count returns the number of lines in the log.
func (s *Store) Count() (int, error) {
	var size logSize
	err := s.view(func(tx *bbolt.Tx) error { return take(tx.Bucket(metaBucket), logKey, &size) })
	return int(size.Lines), err
}
