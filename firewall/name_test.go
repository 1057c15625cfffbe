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
	f.Add(uint8(5), `\\server\share\a.exe`, "s", "Acme.B_0123456789abc", "A", "/product:B")
	f.Add(uint8(5), "/snap/a/7/bin/a", "", "snap:a/bin/a", "", "")
	f.Add(uint8(5), "/app/bin/a", "", "flatpak:org.a.B", "", "")
	f.Add(uint8(5), "/nix/store/x-a-1/bin/a", "", "nix:a/bin/\n", "", "")
	f.Fuzz(func(t *testing.T, kind uint8, path, service, family, signer, product string) {
		p := Program{Kind: ProgramKind(kind % 8), Path: path, File: "x", Service: service, Package: family, Signer: signer, Product: product}
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
		{Program{Kind: Unidentified, Path: "/bin/a", Signer: "A", Product: "A"}, "a", "", ""},
		{Program{Kind: Foreign, Path: "/bin/a", File: "8:1", Signer: "A", Product: "A"}, "a", "foreign:8:1:/bin/a", ""},
		{Program{Kind: Kernel, Signer: "A", Product: "A"}, "Kernel", "kernel", ""},
		{Program{Kind: Changed, Path: "/bin/a", File: "sha256:0", Signer: "A", Product: "B"}, "a", "/bin/a", "signer:A/product:B"},
	} {
		if p := test.program; p.Name() != test.name || p.ID() != test.id || p.Signature() != test.signature {
			t.Errorf("%+v: name %q, id %q, signature %q", p, p.Name(), p.ID(), p.Signature())
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
