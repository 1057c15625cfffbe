package firewall

import "time"

// File is the path of the file that a rule's program is: an executable, a
// script, what hosts a service. It is "" for rules that are about no one file
// of this computer.
func (r *Rule) File() string {
	switch n := r.name(); n.kind {
	case namesFile, namesService, namesScript, namesInline:
		if isPath(n.text) {
			return n.text
		}
	}
	return ""
}

// Unused tells whether the rule has decided nothing for that long. Built-in
// rules never count as unused: some are for what happens once a year.
func (r *Rule) Unused(now time.Time, lasts time.Duration) bool {
	last := r.Created
	if r.LastUsed.After(last) {
		last = r.LastUsed
	}
	return !r.Builtin && !last.IsZero() && now.Sub(last) >= lasts
}
