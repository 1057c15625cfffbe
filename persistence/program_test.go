package persistence

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Subjects that are not just a path are stored, exported and logged as others
// are.
func TestServicesPackagesSignersAndScriptsAreKept(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	now := time.Now().UTC().Truncate(time.Microsecond)
	programs := []firewall.Program{
		{Kind: firewall.Hosted, Path: `C:\Windows\System32\svchost.exe`, Service: "wuauserv", Signer: "Microsoft Windows", Product: "Microsoft® Windows®"},
		{Kind: firewall.Hosted, Path: `C:\Windows\System32\svchost.exe`, File: "process 7", Why: "which of its services it is, is not known"},
		{Kind: firewall.Packaged, Path: `C:\Program Files\WindowsApps\a\a.exe`, Package: "Acme.A_0123456789abc"},
		{Kind: firewall.Packaged, Path: "/snap/a/7/bin/a", Package: "snap:a/bin/a"},
		{Kind: firewall.Packaged, Path: "/var/lib/flatpak/app/org.a.B/current/active/files/bin/a", Package: "flatpak:org.a.B"},
		{Kind: firewall.Executable, Path: `C:\a.exe`, Signer: `Acme "é"`, Product: "A"},
		{Kind: firewall.Interpreted, Path: "/usr/bin/python3.11", Family: "python", Script: "/home/u/back:up.py"},
		{Kind: firewall.Interpreted, Path: "/usr/bin/python3.11", Family: "python", Script: "/home/u/\xff.py"},
		{Kind: firewall.Interpreted, Path: "/home/u/.pyenv/bin/python3.11", Family: "python", Script: "/home/u/back:up.py", Replaceable: true},
		{Kind: firewall.Changed, Path: "/usr/bin/python3.11", Family: "python", Script: "/home/u/changed.py", File: "sha256:0", Why: "another file at this path since 12 Nov 2026"},
		{Kind: firewall.Interpreted, Path: "/usr/bin/dash", Family: "sh", File: "execution 7", Why: "inline code"},
	}
	want := Document{Settings: map[string]string{}}
	var b batch
	for _, p := range programs {
		for _, name := range []string{p.ID(), p.Signature()} {
			if name != "" && p.Lasting() {
				want.Rules = append(want.Rules, firewall.Rule{Program: name, Created: now})
			}
		}
		e := entry("", now)
		e.Program = p
		b.lines = append(b.lines, Line{Entry: e})
	}
	var err error
	if want.Rules, err = s.PutRules(want.Rules, nil); err != nil {
		t.Fatal(err)
	}
	have, err := s.Document()
	if err != nil || !reflect.DeepEqual(have.Rules, want.Rules) {
		t.Errorf("stored %+v\nhave   %+v, %v", want.Rules, have.Rules, err)
	}
	text, err := have.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if read, err := DecodeDocument(text); err != nil || !reflect.DeepEqual(read.Rules, want.Rules) {
		t.Errorf("wrote %s\nread %+v, %v", text, read.Rules, err)
	}

	bounds, _ := s.Settings()
	if err := s.writeBatch(b, bounds, now); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		lines, err := s.Log(t.Context(), Query{Program: LogName(p)})
		if err != nil || len(lines) != 1 || lines[0].Entry.Program != p {
			t.Errorf("the log of %+v: %+v, %v", p, lines, err)
		}
	}
	if lines, err := s.Log(t.Context(), Query{Text: "WUAUSERV"}); err != nil || len(lines) == 0 {
		t.Errorf("the log's lines with the service's name: %+v, %v", lines, err)
	}
}
