package ui

import "testing"

func TestProgramsHaveATitleAndADetail(t *testing.T) {
	for program, want := range map[string][2]string{
		`C:\Program Files\A\a.exe`:                            {"a.exe", `C:\Program Files\A\a.exe`},
		`\\server\share\a.exe`:                                {"a.exe", `\\server\share\a.exe`},
		`service:wuauserv:C:\Windows\System32\svchost.exe`:    {"wuauserv", `A service · C:\Windows\System32\svchost.exe`},
		"script:python:/home/u/back:up.py":                    {"back:up.py (python)", "A script · /home/u/back:up.py"},
		"script:/home/u/.pyenv/bin/python3.11:/home/u/a:b.py": {"a:b.py (python3.11)", "A script · /home/u/a:b.py · own python3.11"},
		"inline:sh:/usr/bin/dash":                             {"dash", "Inline code · /usr/bin/dash"},
		"package:Acme.B_0123456789abc":                        {"Acme.B", "An installed package · Acme.B_0123456789abc"},
		"snap:firefox/usr/lib/firefox/firefox":                {"firefox", "A snap, also when it is updated · firefox/usr/lib/firefox/firefox"},
		"snap:firefox/usr/bin/curl":                           {"curl (firefox)", "A snap, also when it is updated · firefox/usr/bin/curl"},
		"flatpak:org.mozilla.firefox":                         {"org.mozilla.firefox", "A Flatpak app, also when it is updated · org.mozilla.firefox"},
		"nix:curl/bin/curl":                                   {"curl", "A Nix package, also when it is updated · curl/bin/curl"},
		"signer:Mozilla Corporation/product:Firefox":          {"Firefox", "Every version signed by Mozilla Corporation"},
		"/usr/bin/curl":                                       {"curl", "/usr/bin/curl"},
		`/opt/C:\a`:                                           {`C:\a`, `/opt/C:\a`},
		"container:docker-3f2a1b4c5d6e/usr/bin/curl":          {"curl (docker-3f2a1b4c5d6e)", "In the container docker-3f2a1b4c5d6e · /usr/bin/curl"},
		"/usr/lib/systemd/systemd-resolved":                   {"systemd-resolved (local resolver)", "The local resolver · /usr/lib/systemd/systemd-resolved"},
		"/tmp/systemd-resolved":                               {"systemd-resolved", "/tmp/systemd-resolved"},
		`service:Dnscache:C:\Windows\System32\svchost.exe`:    {"Dnscache (local resolver)", `The local resolver · C:\Windows\System32\svchost.exe`},
	} {
		if title, detail := programName(program, ""), programDetail(program); title != want[0] || detail != want[1] {
			t.Errorf("%s: %q, %q; want %q", program, title, detail, want)
		}
		if read, err := parseProgram(program); err != nil || read != program {
			t.Errorf("%s is read from a form as %q, %v", program, read, err)
		}
	}
}
