package firewall_test

import (
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func TestTheFileOfARule(t *testing.T) {
	for program, want := range map[string]string{
		"/usr/bin/curl": "/usr/bin/curl", `C:\x\a.exe`: `C:\x\a.exe`,
		"script:python:/u/a.py":                   "/u/a.py",
		`service:Dnscache:C:\Windows\svchost.exe`: `C:\Windows\svchost.exe`,
		"inline:python:/usr/bin/python3":          "/usr/bin/python3",
		"*":                                       "",
		"kernel":                                  "",
		"foreign:8:1:/usr/bin/curl":               "",
		"signer:Acme/product:Code":                "",
		"snap:firefox/usr/lib/firefox/firefox":    "",
		"package:Microsoft.WindowsTerminal_8wekyb3d8bbwe": "",
	} {
		if r := (firewall.Rule{Program: program}); r.File() != want {
			t.Errorf("%s is the file %q, want %q", program, r.File(), want)
		}
	}
}

func TestARuleIsUnusedByItsLastUse(t *testing.T) {
	const quarter = 90 * 24 * time.Hour
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	old, fresh := now.Add(-quarter), now.Add(-quarter+time.Second)
	for _, c := range []struct {
		rule firewall.Rule
		want bool
	}{
		{firewall.Rule{Created: old}, true},
		{firewall.Rule{Created: fresh}, false},
		{firewall.Rule{Created: old, LastUsed: fresh}, false},
		{firewall.Rule{Created: old, LastUsed: old}, true},
		{firewall.Rule{Created: old, Disabled: true}, true},
		{firewall.Rule{Created: old, Builtin: true}, false},
		{firewall.Rule{}, false},
	} {
		if c.rule.Unused(now, quarter) != c.want {
			t.Errorf("%+v is unused: %v", c.rule, !c.want)
		}
	}
}
