package process

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func words(f Facts) (worrying, plain []string) {
	for _, fact := range f.Words(noon) {
		if fact.Worrying {
			worrying = append(worrying, fact.Text)
		} else {
			plain = append(plain, fact.Text)
		}
	}
	return worrying, plain
}

func TestFactsInWords(t *testing.T) {
	for name, test := range map[string]struct {
		facts           Facts
		worrying, plain []string
	}{
		"nothing is known": {Facts{UID: -1}, nil, nil},
		"an ordinary program": {
			Facts{Path: "/usr/bin/curl", Command: "curl -s https://example.org", User: "anna", UID: 1000, Terminal: "pts/3", Unit: "session-2.scope",
				Chain: []Ancestor{{Path: "/usr/bin/bash"}, {Path: "/usr/sbin/sshd"}}, File: File{Changed: noon.Add(-24 * time.Hour)}},
			nil,
			[]string{"started by: bash, sshd (session-2.scope)", "user: anna on pts/3", "command: curl -s https://example.org"},
		},
		"a script that has another program talk for it": {
			Facts{Path: "/usr/bin/curl", UID: 0, Unit: "cron.service",
				Chain: []Ancestor{{Path: "/usr/bin/dash", Inline: true}, {Path: "/usr/bin/bash", Script: "/opt/backup.sh"}, {Path: "/usr/sbin/cron"}}},
			nil,
			[]string{"used by: backup.sh", "started by: dash, backup.sh, cron (cron.service)", "user: 0"},
		},
		"a file that nobody should trust": {
			Facts{Path: "/tmp/x/a", UID: -1, File: File{Changed: noon.Add(-90 * time.Second), Writer: "anyone", Writable: "/tmp/x"}},
			[]string{"anyone can change what is in /tmp/x", "its file changed 1 minute ago"}, nil,
		},
		"a program of the user's own": {
			Facts{Path: "/home/anna/a", UID: -1, File: File{Changed: noon.Add(-23 * time.Hour), Writer: "anna", Writable: "/home/anna/a"}},
			[]string{"user anna can change its file", "its file changed 23 hours ago"}, nil,
		},
		"code from elsewhere": {
			Facts{UID: -1, Loader: []string{"LD_PRELOAD=/tmp/a.so:/tmp/b.so", "LD_LIBRARY_PATH=/opt/lib", "LD_AUDIT=/tmp/c.so"}},
			[]string{"LD_PRELOAD is set: /tmp/a.so:/tmp/b.so", "LD_AUDIT is set: /tmp/c.so"}, []string{"libraries from: /opt/lib"},
		},
		"a program of Windows": {
			Facts{Path: `C:\Users\Anna\Downloads\a.exe`, UID: -1, User: `PC\Anna`, Terminal: "session 1", Rights: "elevated", Container: "an app container",
				Command: `a.exe /x`, Chain: []Ancestor{{Path: `C:\Windows\explorer.exe`}},
				File: File{Changed: noon.Add(-time.Hour), Internet: true, Source: "cdn.example.com", Writer: `PC\Anna`, Writable: `C:\Users\Anna\Downloads\a.exe`}},
			[]string{`user PC\Anna can change its file`, "its file changed 1 hour ago", "its file came from the internet: cdn.example.com"},
			[]string{"started by: explorer.exe", `user: PC\Anna on session 1, elevated`, "command: a.exe /x", "runs in: an app container"},
		},
		"from somewhere": {Facts{UID: -1, File: File{Internet: true}}, []string{"its file came from the internet"}, nil},
		"no file":        {Facts{UID: -1, File: File{MemoryOnly: true}}, []string{"it runs from memory and has no file"}, nil},
		"a file gone":    {Facts{UID: -1, File: File{Deleted: true}}, []string{"its file was deleted or replaced"}, nil},
		"a container":    {Facts{UID: -1, Container: "docker 3f2a1b4c5d6e", Namespaces: []string{"mount", "pid"}}, nil, []string{"runs in: docker 3f2a1b4c5d6e"}},
		"one namespace":  {Facts{UID: -1, Namespaces: []string{"mount"}}, nil, []string{"runs in: its own mount namespace"}},
		"all of them":    {Facts{UID: -1, Namespaces: []string{"mount", "pid", "user"}}, nil, []string{"runs in: its own mount, pid and user namespaces"}},
		"a name that poses as several": {
			Facts{UID: -1, Chain: []Ancestor{{Path: "/tmp/a, systemd (apt.service)"}, {Name: "x\n\u202e"}}},
			nil, []string{`started by: "a, systemd (apt.service)", "x\n\u202e"`},
		},
	} {
		worrying, plain := words(test.facts)
		if !reflect.DeepEqual(worrying, test.worrying) || !reflect.DeepEqual(plain, test.plain) {
			t.Errorf("%s: %q and %q, want %q and %q", name, worrying, plain, test.worrying, test.plain)
		}
	}
}

func TestWordsAreBounded(t *testing.T) {
	long := strings.Repeat("é\xff", 5000)
	f := Facts{Path: "/x", Command: long, User: long, Container: long, Unit: long, Loader: []string{"LD_PRELOAD=" + long}, File: File{Writer: long, Writable: long}}
	for range maxChain {
		f.Chain = append(f.Chain, Ancestor{Path: "/" + long})
	}
	for _, fact := range f.Words(noon) {
		if len(fact.Text) > maxFact || !utf8.ValidString(fact.Text) {
			t.Errorf("%d bytes: %q", len(fact.Text), fact.Text)
		}
	}
}

func TestWhoIsBehindAProgram(t *testing.T) {
	const curl = "/usr/bin/curl"
	script := Ancestor{Path: "/usr/bin/bash", Script: "backup.sh"}
	shell := Ancestor{Path: "/usr/bin/bash", Unit: "vte-spawn-1.scope"}
	inline := Ancestor{Path: "/usr/bin/dash", Inline: true}
	mailer := Ancestor{Path: "/usr/bin/mailer", Unit: "mail.service"}
	for name, test := range map[string]struct {
		unit  string
		chain []Ancestor
		want  string
	}{
		"a script":                         {"", []Ancestor{script, shell}, "backup.sh"},
		"a script by way of sh -c":         {"", []Ancestor{inline, inline, script}, "backup.sh"},
		"a person at a shell":              {"vte-spawn-1.scope", []Ancestor{shell, script}, ""},
		"a program of the same service":    {"mail.service", []Ancestor{mailer}, "mailer"},
		"its own process that supervises":  {"mail.service", []Ancestor{{Path: curl, Unit: "mail.service"}, mailer}, "mailer"},
		"what starts programs for persons": {"app-curl-1.scope", []Ancestor{{Path: "/usr/bin/gnome-shell", Unit: "gnome-shell.service"}}, ""},
		"anything in a login session":      {"session-2.scope", []Ancestor{{Path: "/usr/bin/panel", Unit: "session-2.scope"}}, ""},
		"the service manager":              {"curl.service", []Ancestor{{PID: 1, Path: "/usr/lib/systemd/systemd", Unit: "curl.service"}}, ""},
		"nobody known":                     {"", nil, ""},
	} {
		a, ok := Facts{Path: curl, Unit: test.unit, Chain: test.chain}.Behind()
		if ok != (test.want != "") || ok && a.Title() != test.want {
			t.Errorf("%s: %+v, %v, want %q", name, a, ok, test.want)
		}
	}
}

func TestScripts(t *testing.T) {
	for line, want := range map[string]string{
		"bash":                           "",
		"-bash":                          "",
		"bash -i":                        "",
		"/bin/bash /opt/backup.sh a b":   "/opt/backup.sh",
		"bash -e -u backup.sh -c x":      "backup.sh",
		"sh -c curl":                     "inline",
		"bash -lc curl":                  "inline",
		"sh -":                           "",
		"/usr/bin/python3.11 -I sync.py": "sync.py",
		"python3 -c import":              "inline",
		"perl -we print":                 "inline",
		"perl -lane print":               "", // more than the interpreter list understands
		"node --eval x":                  "inline",
		"node -p x":                      "inline",
		"node -- server.js":              "server.js",
		"java -cp a.jar Main":            "",
		"java -Xmx1g -jar app.jar":       "app.jar",
		"java -jar":                      "",
		"bash /dev/fd/3":                 "inline",
	} {
		file, inline := script(strings.TrimPrefix(strings.Fields(line)[0], "-"), strings.Fields(line))
		if inline {
			file += "inline"
		}
		if file != want {
			t.Errorf("%s runs %q, want %q", line, file, want)
		}
	}
	script("/bin/sh", nil)
	for path, want := range map[string]bool{"/usr/bin/python3.11": true, `C:\Python\python.exe`: true, `/tmp/a\bash`: false, "/bin/dash": true, "/usr/bin/curl": false, "": false} {
		if isInterpreter(path) != want {
			t.Errorf("%s is an interpreter: %v", path, !want)
		}
	}
}

func TestUnitsAndContainers(t *testing.T) {
	const id = "3f2a1b4c5d6e7f80918273645566778899aabbccddeeff00112233445566778f"
	for path, want := range map[string][2]string{
		"/":                            {"", ""},
		"/system.slice/backup.service": {"backup.service", ""},
		"/user.slice/user-1000.slice/session-2.scope":                                                                {"session-2.scope", ""},
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-1234.scope":                       {"app-gnome-firefox-1234.scope", ""},
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.mozilla.firefox-77.scope":           {"app-flatpak-org.mozilla.firefox-77.scope", "flatpak org.mozilla.firefox"},
		"/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox-0b1c.scope":                    {"snap.firefox.firefox-0b1c.scope", "snap firefox"},
		"/system.slice/snap.lxd.daemon.service":                                                                      {"snap.lxd.daemon.service", "snap lxd"},
		"/system.slice/docker-" + id + ".scope":                                                                      {"docker-" + id + ".scope", "docker 3f2a1b4c5d6e"},
		"/docker/" + id:                                                                                              {"", "docker 3f2a1b4c5d6e"},
		"/machine.slice/libpod-" + id + ".scope/container":                                                           {"libpod-" + id + ".scope", "podman 3f2a1b4c5d6e"},
		"/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + id + ".scope":                                   {"cri-containerd-" + id + ".scope", "containerd 3f2a1b4c5d6e"},
		"/lxc.payload.web/system.slice/nginx.service":                                                                {"nginx.service", "lxc web"},
		"/machine.slice/systemd-nspawn@web.service/payload":                                                          {"systemd-nspawn@web.service", "nspawn web"},
		"/machine.slice/libpod-conmon-" + id + ".scope":                                                              {"libpod-conmon-" + id + ".scope", ""},
		"/system.slice/docker.service":                                                                               {"docker.service", ""},
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.example.docker\\x2d3f2a1b4c5d6e-1234.scope": {"app-org.example.docker\\x2d3f2a1b4c5d6e-1234.scope", ""},
	} {
		if unit, container := unitOf(path), containerOf(path); unit != want[0] || container != want[1] {
			t.Errorf("%s is %q in %q, want %q", path, unit, container, want)
		}
	}
	for path, want := range map[string][2]string{
		"/system.slice/docker-" + id + ".scope/user/x":                  {"docker-3f2a1b4c5d6e", "/system.slice/docker-" + id + ".scope"},
		"/kubepods.slice/cri-containerd-" + id + ".scope":               {"containerd-3f2a1b4c5d6e", "/kubepods.slice/cri-containerd-" + id + ".scope"},
		"/lxc.payload.web/system.slice/nginx.service":                   {"lxc-web", "/lxc.payload.web"},
		"/machine.slice/systemd-nspawn@web.service/payload":             {"nspawn-web", "/machine.slice/systemd-nspawn@web.service"},
		"/user.slice/app.slice/app-flatpak-org.mozilla.firefox-7.scope": {"", ""},
		"/system.slice/snap.lxd.daemon.service":                         {"", ""},
		"/system.slice/docker.service":                                  {"", ""},
	} {
		if name, folder := containerFolder(path); name != want[0] || folder != want[1] {
			t.Errorf("%s is of %q in %q, want %q", path, name, folder, want)
		}
	}
	for text, want := range map[string]string{
		"0::/system.slice/a.service\n":           "/system.slice/a.service",
		"0::/a:b (deleted)\n":                    "/a:b",
		"9:name=systemd:/a\n4:memory:/b\n0::/\n": "/a",
		"4:memory:/b\n0::/c\n":                   "/c",
		"garbage\n":                              "",
		"":                                       "",
	} {
		if got := cgroupPath(text); got != want {
			t.Errorf("%q has %q, want %q", text, got, want)
		}
	}
}
