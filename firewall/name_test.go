package firewall

import (
	"strings"
	"testing"
)

// FuzzNames: what names a program in a rule is read back as the same name, and
// as no other program's.
func FuzzNames(f *testing.F) {
	f.Add(uint8(1), "/bin/a", "", "", "", "")
	f.Add(uint8(4), `C:\Windows\System32\svchost.exe`, "wuauserv", "", "Microsoft Windows", "Microsoft® Windows® Operating System")
	f.Add(uint8(4), `C:\\a`, "b", "", "A/product:", "B")
	f.Add(uint8(6), "/usr/bin/python3", "/home/u/a:b.py", "python", "", "")
	f.Add(uint8(6), "/bin/sh", "", "sh", "", "")
	f.Add(uint8(133), "/home/u/.pyenv/python3", "/home/u/a:b.py", "python", "", "")
	f.Add(uint8(141), "/home/u/.pyenv/python3", "/home/u/a:b.py", "python", "", "") // changed
	f.Add(uint8(5), `\\server\share\a.exe`, "s", "Acme.B_0123456789abc", "A", "/product:B")
	f.Add(uint8(5), "/snap/a/7/bin/a", "", "snap:a/bin/a", "", "")
	f.Add(uint8(5), "/app/bin/a", "", "flatpak:org.a.B", "", "")
	f.Add(uint8(5), "/nix/store/x-a-1/bin/a", "", "nix:a/bin/\n", "", "")
	f.Fuzz(func(t *testing.T, kind uint8, path, service, family, signer, product string) {
		p := Program{Kind: ProgramKind(kind % 9), Path: path, File: "x", Service: service, Package: family, Script: service, Family: family, Replaceable: kind >= 128, Signer: signer, Product: product}
		names, _ := p.names()
		for _, n := range names {
			if read, err := parseName(n.String()); err != nil || read != n {
				t.Fatalf("%+v is named %q, and read as %+v, %v", p, n, read, err)
			}
		}
		for _, s := range []string{p.ID(), p.Signature()} {
			if err := validateProgram(s); s != "" && err != nil && len(s) <= maxProgram && !strings.ContainsRune(s, 0) {
				t.Fatalf("%+v: %v", p, err)
			}
			allow, block := Rule{ID: "x", Program: s, Verdict: Allow}, Rule{ID: "x", Program: s, Verdict: Block}
			other := p.Kind == Changed && s == p.ID() // the path's program is another
			if allow.Matches(Attempt{Program: p}) != (s != "" && !other) || block.Matches(Attempt{Program: p}) != (s != "") {
				t.Fatalf("%+v and rules for %q", p, s)
			}
		}
	})
}

func TestNamesOfPrograms(t *testing.T) {
	const svchost = `C:\Windows\System32\svchost.exe`
	for _, test := range []struct {
		program             Program
		name, id, signature string
	}{
		{Program{Kind: Executable, Path: "/usr/bin/a\\b"}, `a\b`, "/usr/bin/a\\b", ""},
		{Program{Kind: Executable, Path: `C:\Program Files\A\a.exe`}, "a.exe", `C:\Program Files\A\a.exe`, ""},
		{Program{Kind: Executable, Path: `\\server\share\a.exe`, Signer: "Acme", Product: "A"}, "a.exe", `\\server\share\a.exe`, "signer:Acme/product:A"},
		{Program{Kind: Executable, Path: `C:\a.exe`, Signer: "Acme"}, "a.exe", `C:\a.exe`, ""},
		{Program{Kind: Executable, Path: `C:\a.exe`, Signer: "Acme/product:X", Product: "A"}, "a.exe", `C:\a.exe`, ""},
		{Program{Kind: Executable, Path: `C:\a.exe`, Service: "s", Package: "Acme.B_0123456789abc"}, "a.exe", `C:\a.exe`, ""},
		{Program{Kind: Hosted, Path: svchost, Service: "Dnscache"}, "Dnscache (svchost.exe)", "service:Dnscache:" + svchost, ""},
		{Program{Kind: Hosted, Path: svchost}, "svchost.exe", "", ""},
		{Program{Kind: Hosted, Path: svchost, Service: `a\b`}, `a\b (svchost.exe)`, "", ""},
		{Program{Kind: Hosted, Path: "svchost.exe", Service: "a", Signer: "A", Product: "A"}, "a (svchost.exe)", "", ""},
		{Program{Kind: Packaged, Path: `C:\apps\t-1\t.exe`, Package: "Acme.T_0123456789abc"}, "t.exe", "package:Acme.T_0123456789abc", ""},
		{Program{Kind: Packaged, Path: `C:\apps\t-1\t.exe`, Package: "Acme.T"}, "t.exe", "", ""},
		{Program{Kind: Packaged, Package: "Acme.T_0123456789abc"}, "unidentified program", "", ""},
		{Program{Kind: Packaged, Path: "/snap/a/7/bin/a", Package: "snap:a/bin/a"}, "a", "snap:a/bin/a", ""},
		{Program{Kind: Packaged, Path: "/snap/a_b/7/bin/a", Package: "snap:a_b/bin/a b"}, "a", "snap:a_b/bin/a b", ""},
		{Program{Kind: Packaged, Path: "/nix/store/x-g++-1/bin/a", Package: "nix:g++/bin/a"}, "a", "nix:g++/bin/a", ""},
		{Program{Kind: Packaged, Path: "/var/lib/flatpak/app/org.a.B/files/bin/a", Package: "flatpak:org.a.B"}, "a", "flatpak:org.a.B", ""},
		{Program{Kind: Packaged, Path: "/snap/a/7/bin/a", Package: "snap:a"}, "a", "", ""},
		{Program{Kind: Packaged, Path: "/snap/a/7/bin/a", Package: "snap:a/"}, "a", "", ""},
		{Program{Kind: Packaged, Path: "/snap/a/7/bin/a", Package: "snap:a/../b"}, "a", "", ""},
		{Program{Kind: Packaged, Path: "/snap/a/7/bin/a", Package: "snap:/bin/a"}, "a", "", ""},
		{Program{Kind: Packaged, Path: "/snap/a/7/bin/a", Package: "snap:*/bin/a"}, "a", "", ""},
		{Program{Kind: Packaged, Path: "/snap/a/7/bin/a", Package: "flatpak:org.a.B/bin/a"}, "a", "", ""},
		{Program{Kind: Packaged, Package: "snap:a/bin/a"}, "unidentified program", "", ""},
		{Program{Kind: Executable, Path: "/snap/a/7/bin/a", Package: "snap:a/bin/a"}, "a", "/snap/a/7/bin/a", ""},
		{Program{Kind: Interpreted, Path: "/usr/bin/python3.11", Family: "python", Script: "/home/u/a:b.py"}, "a:b.py (python)", "script:python:/home/u/a:b.py", ""},
		{Program{Kind: Interpreted, Path: "/usr/bin/dash", Family: "sh", File: "7", Why: "inline code (-c)"}, "dash", "inline:sh:/usr/bin/dash", ""},
		{Program{Kind: Interpreted, Path: "/usr/bin/dash", Family: "sh"}, "dash", "", ""},
		{Program{Kind: Interpreted, Path: "/usr/bin/dash", Family: "sh", Script: "a.sh", File: "7"}, "a.sh (sh)", "", ""},
		{Program{Kind: Interpreted, Path: "/usr/bin/dash", Family: "cobol", Script: "/a", File: "7"}, "a (cobol)", "", ""},
		{Program{Kind: Interpreted, Script: "/a", Family: "sh", File: "7"}, "unidentified program", "", ""},
		{Program{Kind: Interpreted, Path: "/usr/bin/dash", Family: "sh", Script: "/a", Signer: "A", Product: "A"}, "a (sh)", "script:sh:/a", ""},
		{Program{Kind: Unidentified, Path: "/bin/a", Signer: "A", Product: "A"}, "a", "", ""},
		{Program{Kind: Foreign, Path: "/bin/a", File: "8:1", Signer: "A", Product: "A"}, "a", "foreign:8:1:/bin/a", ""},
		{Program{Kind: Kernel, Signer: "A", Product: "A"}, "Kernel", "kernel", ""},
		{Program{Kind: Changed, Path: "/bin/a", File: "sha256:0", Signer: "A", Product: "B"}, "a", "/bin/a", "signer:A/product:B"},
		{Program{Kind: Changed, Path: "/usr/bin/python3.11", File: "sha256:0", Family: "python", Script: "/home/u/a.py", Signer: "A", Product: "B"}, "a.py (python)", "script:python:/home/u/a.py", ""},
		{Program{Kind: Interpreted, Path: "/home/u/.pyenv/bin/python3.11", Family: "python", Script: "/home/u/a:b.py", Replaceable: true}, "a:b.py (python)", "script:/home/u/.pyenv/bin/python3.11:/home/u/a:b.py", ""},
		{Program{Kind: Changed, Path: "/home/u/python3", File: "sha256:0", Family: "python", Script: "/home/u/a.py", Replaceable: true}, "a.py (python)", "script:/home/u/python3:/home/u/a.py", ""},
		{Program{Kind: Interpreted, Path: "/home/u/py:thon3", Family: "python", Script: "/home/u/a.py", Replaceable: true}, "a.py (python)", "", ""},
	} {
		if p := test.program; p.Name() != test.name || p.ID() != test.id || p.Signature() != test.signature {
			t.Errorf("%+v: name %q, id %q, signature %q", p, p.Name(), p.ID(), p.Signature())
		}
	}
}

// Inline code is another each time: it is named for one process only.
func TestInlineCodeIsNamedUntilItsProcessExitsOnly(t *testing.T) {
	inline := Program{Kind: Interpreted, Path: "/usr/bin/dash", Family: "sh", File: "7"}
	script := Program{Kind: Interpreted, Path: "/usr/bin/dash", Family: "sh", Script: "/a"}
	r := Rule{ID: "x", Program: inline.ID(), Verdict: Allow}
	if _, err := NewRuleset(r); err == nil {
		t.Error("inline code is allowed always")
	}
	if r.Until = (Expiry{Exit: true, PID: 7, Started: epoch}); r.Validate() != nil {
		t.Error(r.Validate())
	}
	for _, test := range []struct {
		program Program
		lasting bool
	}{{inline, false}, {script, true}, {Program{Kind: Executable, Path: "/usr/bin/dash"}, true}, {Program{}, false}} {
		if test.program.Lasting() != test.lasting {
			t.Errorf("%+v is lasting: %v", test.program, !test.lasting)
		}
	}
	for _, wrong := range []string{"script:sh:a", "script::/a", "script:cobol:/a", "script:sh", "inline:sh:", "inline:/bin/sh"} {
		if validateProgram(wrong) == nil {
			t.Errorf("%q names a program", wrong)
		}
	}
}

// What a signed interpreter runs is not what was signed, but who blocks its
// signer or its package blocks that, too.
func TestWhatARuleForASignerSaysOfAScript(t *testing.T) {
	const family = "Acme.Python_0123456789abc"
	script := Program{Kind: Interpreted, Path: `C:\p\python.exe`, Family: "python", Script: `C:\u\a.py`, Package: family, Signer: "Acme", Product: "P"}
	byOwn, changed, byOwnChanged := script, script, script
	byOwn.Replaceable, byOwnChanged.Replaceable = true, true
	changed.Kind, byOwnChanged.Kind = Changed, Changed
	for name, verdicts := range map[string]map[Verdict]bool{
		"signer:Acme/product:P": {Allow: false, Block: true, Ask: true},
		"package:" + family:     {Allow: true, Block: true, Ask: true},
		script.Path:             {Allow: true, Block: true, Ask: true},
		script.ID():             {Allow: true, Block: true, Ask: true},
		AnyProgram:              {Allow: true, Block: true, Ask: true},
	} {
		for verdict, counts := range verdicts {
			r := Rule{ID: "x", Program: name, Verdict: verdict}
			if r.Matches(Attempt{Program: script}) != counts {
				t.Errorf("a rule for %s that says %v counts for a script: %v", name, verdict, !counts)
			}
			if _, ok := mustRules(t, []Rule{r}).Decide(Attempt{Program: script}); ok != counts {
				t.Errorf("rules for %s that say %v decide about a script: %v", name, verdict, ok)
			}
			for _, p := range []Program{byOwn, changed, byOwnChanged} {
				if name == "signer:Acme/product:P" && r.Matches(Attempt{Program: p}) != counts {
					t.Errorf("a rule for %s that says %v counts for %+v: %v", name, verdict, p, !counts)
				}
				if name == "package:"+family && r.Matches(Attempt{Program: p}) != (counts && (verdict != Allow || p != byOwnChanged)) {
					t.Errorf("a rule for %s that says %v counts otherwise for %+v", name, verdict, p)
				}
			}
		}
	}
}

// The look-up is on the way of packets: it takes no memory, whatever a program
// is called.
func TestDecidingTakesNoMemory(t *testing.T) {
	rs := mustRules(t, append(BuiltinRules(), Rule{ID: "1", Program: "signer:Acme/product:A"}, Rule{ID: "2", Program: "service:s:/bin/a"}))
	for _, p := range somePrograms {
		if p.Kind == Foreign {
			continue // named by a text that is made for the question
		}
		if n := testing.AllocsPerRun(100, func() { rs.Decide(Attempt{Program: p}) }); n > 0 {
			t.Errorf("deciding about %+v takes memory %v times", p, n)
		}
	}
}
