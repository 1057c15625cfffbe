package ui

import "testing"

func TestAProgramIsNamedByTheEndOfItsPath(t *testing.T) {
	for _, c := range []struct{ program, name, detail string }{
		{"/usr/bin/curl", "curl", "/usr/bin/curl"},
		{`/opt/back\slash`, `back\slash`, `/opt/back\slash`},
		{`C:\Program Files\Mozilla Firefox\firefox.exe`, "firefox.exe", `C:\Program Files\Mozilla Firefox\firefox.exe`},
		{`\\server\share\scan.exe`, "scan.exe", `\\server\share\scan.exe`},
		{"foreign:8:1:2:3:/usr/bin/curl", "curl", "Not the file that this computer has at this path · /usr/bin/curl"},
		{`foreign:8:1:C:\Windows\curl.exe`, "curl.exe", `Not the file that this computer has at this path · C:\Windows\curl.exe`},
		{"", "Unidentified program", "Nobody can say which program this was"},
		{"*", "Any program", "Every program, also those that cannot be identified"},
	} {
		if name := programName(c.program, ""); name != c.name {
			t.Errorf("%q is named %q, want %q", c.program, name, c.name)
		}
		if detail := programDetail(c.program); detail != c.detail {
			t.Errorf("%q is described as %q, want %q", c.program, detail, c.detail)
		}
	}
}
