package app

import (
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// Nothing is widened: a scope that makes no sense for the program makes no rule.
func TestOnlyAVerifiedProgramIsAnsweredForAllItsVersions(t *testing.T) {
	for _, test := range []struct {
		program firewall.Program
		want    string // the rule's program, or a part of the error
	}{
		{firewall.Program{Kind: firewall.Executable, Path: `C:\a-1\a.exe`, Signer: "Acme", Product: "A"}, "signer:Acme/product:A"},
		{firewall.Program{Kind: firewall.Executable, Path: `C:\a-1\a.exe`, Product: "A"}, "no signature"},
		{firewall.Program{Kind: firewall.Hosted, Path: `C:\svchost.exe`, Service: "s", Signer: "Acme", Product: "A"}, "no signature"},
		{firewall.Program{Kind: firewall.Hosted, Path: `C:\svchost.exe`, Signer: "Acme", Product: "A"}, "answered once"},
		{firewall.Program{Signer: "Acme", Product: "A"}, "answered once"},
	} {
		p := firewall.Prompt{Question: firewall.Question{Program: test.program}}
		r, err := ruleOf(p, firewall.Allow, firewall.ScopeProduct, "")
		if err == nil && r.Program != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %q, %v", test.program, r.Program, err)
		}
		if text := promptOut(p, known{}); text.Signature != test.program.Signature() || text.Signer != test.program.Signer {
			t.Errorf("%+v is shown as %+v", test.program, text)
		}
	}
}
