package app

import (
	"cmp"
	"fmt"
	"strings"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// describe says in a line what a rule does.
func describe(r firewall.Rule) string { return describeOut(ruleOut(r)) }

func describeOut(out ui.Rule) string {
	s := out.Verdict.String() + " " + out.Program
	if out.Direction == firewall.In {
		s += " in"
	}
	if out.Protocol != firewall.AnyProtocol {
		s += " " + out.Protocol.String()
	}
	if out.ICMPType != 0 {
		s += " " + out.ICMPType.String()
	}
	far, near := " to ", " from port %d"
	if out.Direction == firewall.In {
		far, near = " from ", " at port %d"
	}
	if remote := cmp.Or(out.Host, out.Remote); remote != "" {
		s += far + remote
	}
	if out.Port != 0 {
		s += " port " + ports(out)
	}
	if out.LocalPort != 0 {
		s += fmt.Sprintf(near, out.LocalPort)
	}
	if out.User != "" {
		s += " of user " + out.User
	}
	if out.StartedBy != "" {
		s += " when started by " + out.StartedBy
	}
	if out.PassLock {
		s += ", also when locked"
	}
	if out.Until != "always" {
		s += " until " + out.Until
	}
	if !out.Enabled {
		s += " (disabled)"
	}
	return s
}

// listed is the first of some names, and how many more there are.
func listed(names []string) string {
	const most = 20
	s := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}
