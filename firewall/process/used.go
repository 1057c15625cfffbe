package process

import "time"

// UsedBy is the fact who uses the program at path to talk for it: see
// [Facts.Behind]. The process pid, started at that time, runs the program; once
// it is gone parent, which had started it, tells as long as that lives; 0 is
// nobody. ok is false if nobody uses it or that is not known.
func UsedBy(pid int, started time.Time, path string, parent int) (used Fact, ok bool) {
	f := Facts{Path: path}
	if p, since, err := find(pid); err == nil && since.Sub(started).Abs() <= tolerance {
		f.Chain, f.Unit = chain(p, since), unitOfProcess(pid)
	}
	if !Runs(pid, started) { // and may have ended while it was looked at
		f.Chain, f.Unit = chainFrom(parent, started), ""
	}
	a, ok := f.Behind()
	if !ok {
		return Fact{}, false
	}
	return usedBy(a), true
}

// chainFrom is the chain of a process that was started at that time and is gone.
// A younger process only has the PID of its parent.
func chainFrom(parent int, started time.Time) []Ancestor {
	p, since, err := find(parent)
	if err != nil || since.After(started.Add(tolerance)) {
		return nil
	}
	first := ancestor(p)
	above := chain(p, since)
	if !Runs(parent, since) {
		return nil
	}
	return append([]Ancestor{first}, above...)
}

func usedBy(a Ancestor) Fact { return Fact{Text: bounded("used by: "+name(a.Title()), maxFact)} }
