package ui

import (
	"strconv"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Proposal is a change that was not made yet: what is set of it.
type Proposal struct {
	Put    []Rule         `json:"put,omitempty"` // rules to add, and those with an ID to change
	Remove []string       `json:"remove,omitempty"`
	Mode   *firewall.Mode `json:"mode,omitempty"`
	Undo   string         `json:"undo,omitempty"` // the ID of a change

	Import  []byte `json:"import,omitempty"` // a policy file, as for Import
	Replace bool   `json:"replace,omitempty"`
}

// Forecast is what a proposal would have changed in the last days of the log.
type Forecast struct {
	Since       time.Time `json:"since"`
	Connections int       `json:"connections"` // that were looked at
	Complete    bool      `json:"complete"`    // false: there was no time for older ones than Since
	Effects     []Effect  `json:"effects"`     // what would be blocked first
}

// Effect is what would have become of some connections of a program.
type Effect struct {
	Program     string             `json:"program"`
	Name        string             `json:"name"`
	Direction   firewall.Direction `json:"direction"`
	Before      firewall.Verdict   `json:"before"`
	After       firewall.Verdict   `json:"after"`
	Connections int                `json:"connections"`
	Hosts       int                `json:"hosts"`
	Examples    []string           `json:"examples,omitempty"`
}

// Sentences say it to a person, a line for each effect.
func (f Forecast) Sentences() []string {
	of := counted(f.Connections, "connection", "connections") + " since " + f.Since.Local().Format("2 Jan 2006, 15:04")
	if !f.Complete {
		of += " (there was no time to look at older ones)"
	}
	if len(f.Effects) == 0 {
		return []string{"It would have changed nothing of " + of + "."}
	}
	said := []string{"It would have changed, of " + of + ":"}
	for _, e := range f.Effects {
		said = append(said, e.Sentence())
	}
	return said
}

// Sentence is such as "firefox → 3 connections to 2 hosts would be blocked,
// which were allowed (example.org, …)".
func (e Effect) Sentence() string {
	way := " to "
	if e.Direction == firewall.In {
		way = " from "
	}
	done := map[firewall.Verdict]string{firewall.Block: "blocked", firewall.Allow: "allowed", firewall.Ask: "asked about"}
	were := " were "
	if e.Connections == 1 {
		were = " was "
	}
	s := programName(e.Program, e.Name) + " → " + counted(e.Connections, "connection", "connections") + way + counted(e.Hosts, "host", "hosts") +
		" would be " + done[e.After] + ", which" + were + done[e.Before]
	if len(e.Examples) > 0 {
		var names []string
		for _, n := range e.Examples {
			names = append(names, shown(n))
		}
		if e.Hosts > len(names) {
			names = append(names, "…")
		}
		s += " (" + strings.Join(names, ", ") + ")"
	}
	return s
}

// counted is as plural, with a number that can be read on every terminal.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
