package ui

import (
	"context"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// History is the part of a [Control] that looks back: what was changed and by
// whom, why a flow was decided, what a change would have changed.
type History interface {
	// Changes returns the changes that are kept, newest first.
	Changes(ctx context.Context, q ChangeQuery) ([]Change, error)
	// Undo takes a change back and returns it. If something of it was changed
	// since (ErrConflict), nothing is changed.
	Undo(ctx context.Context, id string) (Change, error)
	// Explain says why the line of the log that has the ID came about.
	Explain(ctx context.Context, line string) (Explanation, error)
	// WhatIf says what a change would have changed in the last seven days of
	// the log; it changes nothing.
	WhatIf(ctx context.Context, p Proposal) (Forecast, error)
}

// ChangeQuery selects changes. Zero fields select everything.
type ChangeQuery struct {
	ID     string `json:"id,omitempty"`     // only this one
	Before string `json:"before,omitempty"` // those older than the one with this ID
	Limit  int    `json:"limit,omitempty"`  // 0: 100
}

// Change is a change of rules, mode or settings.
type Change struct {
	ID       string            `json:"id"` // grows with time
	Time     time.Time         `json:"time"`
	What     string            `json:"what"`
	Way      string            `json:"way"` // answer, window, command, import, review, carried, ended, undo; "" if not known
	UID      int               `json:"uid"`
	User     string            `json:"user,omitempty"` // the name, if there is one
	PID      int               `json:"pid"`
	Program  string            `json:"program"`
	Line     string            `json:"line,omitempty"`     // its line in the log
	Rules    []string          `json:"rules"`              // IDs of the rules that it made, changed or removed, at most 100
	Count    int               `json:"count"`              // how many these are
	Before   map[string]string `json:"before,omitempty"`   // the settings and the mode that it changed, as they were; "" is the default
	Import   bool              `json:"import,omitempty"`   // it took rules and settings from a file, or took that back
	Undoes   string            `json:"undoes,omitempty"`   // the change that it took back
	Undone   string            `json:"undone,omitempty"`   // the change that took it back
	Undoable bool              `json:"undoable"`           // it can be taken back now
	Hindered string            `json:"hindered,omitempty"` // why it cannot
}

// LastChange returns the change that undo without an ID takes back: the newest
// one that can be taken back and is not an undo itself.
func LastChange(changes []Change) (c Change, ok bool) {
	for _, c := range changes {
		if c.Undoable && c.Undoes == "" {
			return c, true
		}
	}
	return c, false
}

// Explanation is why a line of the log came about.
type Explanation struct {
	Line   LogLine `json:"line"`
	RuleID string  `json:"rule_id,omitempty"` // the rule that decided, or that had a person asked; "" if none did
	Rule   *Rule   `json:"rule,omitempty"`    // as it was then; nil if that is not known
	// Since is what became of the rule: "", "changed", "disabled" or "removed";
	// "unknown": how it was then is not known.
	Since string         `json:"since,omitempty"`
	Met   []firewall.Met `json:"met,omitempty"`
	// Without is what would have happened without the rule, or in mode ask where
	// no rule decided (WithoutMode); nil if the log does not keep enough to say.
	Without     *Outcome `json:"without,omitempty"`
	WithoutMode bool     `json:"without_mode,omitempty"`
	Change      *Change  `json:"change,omitempty"` // the last change of the rule; of a line that is a change, that
	Sentences   []string `json:"sentences"`        // all of it, for a person
}

// Outcome is what becomes of a flow.
type Outcome struct {
	Verdict firewall.Verdict `json:"verdict"`
	Reason  string           `json:"reason"`
	Rule    string           `json:"rule,omitempty"`
}
