package firewall

// Ruleset is a set of valid rules, ready to decide. It is immutable; the zero
// Ruleset decides nothing.
type Ruleset struct {
	byProgram map[string][]Rule
}

// NewRuleset validates the rules and orders them: rules that name the program
// before rules for any program, narrower before wider, block before allow
// among equals. It is the only way into force, and refuses the whole set if
// one rule is invalid.
func NewRuleset(rules ...Rule) (Ruleset, error) { panic("being built") }

// Decide returns what the first matching rule says; ok is false if none
// matches. Its cost does not depend on the rules of other programs.
func (rs Ruleset) Decide(a Attempt) (d Decision, ok bool) { panic("being built") }
