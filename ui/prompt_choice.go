package ui

import "sallyport.dev/sallyport/firewall"

// promptKind names what questions have in common whose answers are alike. It is
// part of the names under which choices are kept.
func promptKind(p Prompt) string {
	switch {
	case p.OnlyOnce:
		return "unidentified"
	case p.Changed:
		return "changed"
	case p.Inline:
		return "inline"
	case p.Direction == firewall.In:
		return "in"
	}
	return "out"
}

// remembered are the scope and the duration of the last answer to a question
// of this kind, "" if there was none.
func (u *UI) remembered(p Prompt) (scope, duration string) {
	kept := u.app.Preferences()
	return kept.String("prompt.scope." + promptKind(p)), kept.String("prompt.duration." + promptKind(p))
}

// remember keeps the scope and the duration of an answer.
func (u *UI) remember(p Prompt, a Answer) {
	if scope, duration := u.remembered(p); scope == a.Scope && duration == a.For {
		return
	}
	kept := u.app.Preferences()
	kept.SetString("prompt.scope."+promptKind(p), a.Scope)
	kept.SetString("prompt.duration."+promptKind(p), a.For)
}

// ruleable tells whether a question can be answered by a rule that a person
// writes.
func ruleable(p Prompt) bool { return !p.OnlyOnce && !p.Changed && !p.Inline }

// ruleFor is the narrowest rule that answers a question, to be widened in the
// form.
func ruleFor(p Prompt) Rule {
	r := Rule{
		Program: p.Program, Direction: p.Direction, Protocol: p.Protocol, Host: p.Host,
		Verdict: firewall.Allow, Until: "always", Enabled: true,
	}
	*destinationPort(&r) = p.Port
	if r.Host == "" {
		r.Remote = p.Remote
	}
	return r
}
