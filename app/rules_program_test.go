package app

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
)

func TestTheFlagsNameAProgramAsARuleDoes(t *testing.T) {
	const svchost = `C:\Windows\System32\svchost.exe`
	for _, test := range []struct {
		flags programFlags
		want  string
		valid bool
	}{
		{programFlags{}, "", false},
		{programFlags{program: "/usr/bin/curl"}, "/usr/bin/curl", true},
		{programFlags{program: "*"}, "*", true},
		{programFlags{program: "flatpak:org.mozilla.firefox"}, "flatpak:org.mozilla.firefox", true},
		{programFlags{program: "snap:firefox"}, "snap:firefox", false},
		{programFlags{program: svchost, service: "wuauserv"}, firewall.Program{Kind: firewall.Hosted, Path: svchost, Service: "wuauserv"}.ID(), true},
		{programFlags{program: "script:python:/home/u/a.py"}, firewall.Program{Kind: firewall.Interpreted, Path: "/usr/bin/python3", Family: "python", Script: "/home/u/a.py"}.ID(), true},
		{programFlags{program: "/usr/bin/python3", script: "/home/u/a.py"}, "script:python:/home/u/a.py", true},
		{programFlags{program: "/usr/bin/bash", script: "a.sh"}, "script:sh:a.sh", false},
		{programFlags{program: "script:cobol:/home/u/a.py"}, "script:cobol:/home/u/a.py", false},
		{programFlags{program: "inline:python:/usr/bin/python3"}, "inline:python:/usr/bin/python3", false},
		{programFlags{family: "Acme.B_0123456789abc"}, "package:Acme.B_0123456789abc", true},
		{programFlags{signer: "Acme", product: "A"}, firewall.Program{Kind: firewall.Executable, Path: "/a", Signer: "Acme", Product: "A"}.Signature(), true},
		{programFlags{signer: "Acme"}, "signer:Acme/product:", false},
		{programFlags{product: "A"}, "signer:/product:A", false},
		{programFlags{family: "Acme"}, "package:Acme", false},
		{programFlags{program: "*", service: "wuauserv"}, "service:wuauserv:*", false},
	} {
		got, err := test.flags.text()
		if err != nil || got != test.want {
			t.Errorf("%+v: %q, %v", test.flags, got, err)
		}
		if err := validate(firewall.Rule{Program: got}); (err == nil) != test.valid {
			t.Errorf("a rule for %q: %v", got, err)
		}
	}
	for _, flags := range []programFlags{
		{script: "/a"}, {program: "/usr/bin/curl", script: "/a"}, {program: "/bin/sh", script: "/a", service: "b"},
		{service: "wuauserv"}, {program: "/a", family: "Acme.B_0123456789abc"},
		{program: "/a", signer: "Acme", product: "A"}, {family: "Acme.B_0123456789abc", product: "A"},
	} {
		if got, err := flags.text(); err == nil {
			t.Errorf("%+v names %q", flags, got)
		}
	}
}
