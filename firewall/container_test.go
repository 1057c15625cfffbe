package firewall_test

import (
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

func TestAProgramInAContainerIsNamedByIt(t *testing.T) {
	for _, test := range []struct{ container, inside, want string }{
		{"docker-3f2a1b4c5d6e", "/usr/bin/curl", "container:docker-3f2a1b4c5d6e/usr/bin/curl"},
		{"nspawn-web_1.2", "/a b", "container:nspawn-web_1.2/a b"},
		{"", "/usr/bin/curl", ""},
		{"a/b", "/usr/bin/curl", ""},
		{"a:b", "/usr/bin/curl", ""},
		{"web", "usr/bin/curl", ""},
		{"web", "/", ""},
		{"web", "/usr/../curl", ""},
		{"web", "/usr\x00", ""},
		{strings.Repeat("w", 81), "/usr/bin/curl", ""},
	} {
		got := firewall.ContainerPath(test.container, test.inside)
		if got != test.want {
			t.Errorf("%q and %q are %q, want %q", test.container, test.inside, got, test.want)
		}
		rule := firewall.Rule{ID: "r", Program: firewall.KernelProgram, Verdict: firewall.Allow}
		if got != "" {
			rule.Program = got
		}
		if err := rule.Validate(); err != nil {
			t.Error(err)
		}
	}
	rule := firewall.Rule{ID: "r", Program: "container:web", Verdict: firewall.Allow}
	if err := rule.Validate(); err == nil || !strings.Contains(err.Error(), "container:docker-3f2a1b4c5d6e/usr/bin/curl") {
		t.Errorf("a container without a program: %v", err)
	}
}

func TestNothingIsOfTheComputerAndOfAContainer(t *testing.T) {
	here := firewall.Program{Kind: firewall.Executable, Path: "/usr/bin/curl"}
	one := firewall.Program{Kind: firewall.Executable, Path: "container:docker-3f2a1b4c5d6e/usr/bin/curl"}
	two := firewall.Program{Kind: firewall.Executable, Path: "container:docker-000000000000/usr/bin/curl"}
	other := one
	other.Kind, other.File = firewall.Changed, "sha256:1"
	for _, program := range []firewall.Program{here, one, two} {
		rule := firewall.Rule{ID: "r", Program: program.ID(), Verdict: firewall.Allow}
		for _, a := range []firewall.Program{here, one, two, other} {
			if got := rule.Matches(firewall.Attempt{Program: a}); got != (a == program) {
				t.Errorf("a rule for %s matches %+v: %v", rule.Program, a, got)
			}
		}
	}
	if name := one.Name(); name != "curl (docker-3f2a1b4c5d6e)" {
		t.Errorf("it is called %s", name)
	}
}
