package ui_test

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func TestPromptPictures(t *testing.T) {
	shapes := map[string]struct {
		change func(*ui.Prompt)
		others int
	}{
		"host":         {nil, 1},
		"address":      {func(p *ui.Prompt) { p.Host, p.Remote, p.Port = "", "2001:db8:85a3::8a2e:370:7334", 443 }, 0},
		"unidentified": {unidentified, 0},
		"inline":       {inline, 0},
		"script":       {script, 0},
		"script-changed": {func(p *ui.Prompt) {
			script(p)
			changed(p)
		}, 0},
		"home-script": {func(p *ui.Prompt) {
			script(p)
			p.Program = "script:/home/ann/.pyenv/versions/3.11.4/bin/python3.11:/home/ann/bin/backup.py"
			p.Changed, p.About = true, "another script, or interpreter of it, since 12 Nov 2026"
		}, 0},
		"module": {func(p *ui.Prompt) {
			inline(p)
			p.About = "module http.server, wherever it is found"
			p.Facts[len(p.Facts)-1] = "command: python3 -m http.server"
		}, 0},
		"foreign": {func(p *ui.Prompt) {
			p.Program, p.Name, p.About = "foreign:8:1:2:3:/usr/bin/curl", "curl", "in another mount namespace"
		}, 0},
		"changed": {changed, 0},
		"deleted": {func(p *ui.Prompt) { p.About = "deleted" }, 0},
		"many": {func(p *ui.Prompt) {
			p.Others = 41
			p.Facts = append(p.Facts, "command: /opt/updater/bin/updater --channel stable --verbose --state /var/lib/updater")
		}, 23},
		"expired": {func(p *ui.Prompt) { p.State = "unanswered" }, 0},
		"server": {func(p *ui.Prompt) {
			p.Program, p.Name, p.Direction, p.Host, p.Remote, p.Port = "/usr/sbin/nginx", "nginx", firewall.In, "", "192.0.2.7", 443
			p.Facts = []string{"started by: systemd", "user: www-data", "command: nginx -g daemon off;"}
		}, 0},
		"ping": {func(p *ui.Prompt) { p.Protocol, p.Port = firewall.ICMP, 0 }, 0},
		"signed": {func(p *ui.Prompt) {
			p.Program, p.Name, p.Facts = `C:\Program Files\Mozilla Firefox\firefox.exe`, "firefox.exe", []string{"started by: explorer.exe", `user: DESK\anna`}
			p.Signer, p.Product, p.Signature = "Mozilla Corporation", "Firefox", "signer:Mozilla Corporation/product:Firefox"
			p.User, p.UID = `DESK\anna`, -1
		}, 0},
		"hostile": {func(p *ui.Prompt) {
			p.Name = strings.Repeat("a\u202eb\n", 200)
			p.Host = strings.Repeat("very-long-label.", 30)
			p.Program = "/tmp/" + strings.Repeat("x", 4000)
			p.Warnings = []string{"LD_PRELOAD is set: /tmp/" + strings.Repeat("\u202ex\n", 200), "it runs from memory and has no file"}
			p.Facts = []string{"started by: " + strings.Repeat("\u202e", 60) + ", " + strings.Repeat("y", 200), "no label", ": ", "command: " + strings.Repeat("c ", 300)}
		}, 0},
		"worrying": {func(p *ui.Prompt) {
			p.Program, p.Name = "/home/anna/.cache/x/updater", "updater"
			p.Warnings = []string{"LD_PRELOAD is set: /home/anna/.cache/x/libhook.so", "user anna can change its file", "its file changed 12 minutes ago"}
			p.Facts = []string{"started by: bash, gnome-terminal-server (vte-spawn-3f.scope)", "user: anna on pts/3", "command: ./updater --now"}
		}, 0},
		"used": {func(p *ui.Prompt) {
			p.Program, p.Name, p.Remote, p.Port = "/usr/bin/curl", "curl", "192.0.2.7", 443
			p.StartedBy = "/opt/backup.sh"
			p.Facts = []string{"used by: backup.sh", "started by: backup.sh, sh, cron (cron.service)", "user: backup", "command: curl -sT /srv/backup.tar https://cdn.example-updates.net/", "runs in: docker 3f2a1b4c5d6e"}
		}, 0},
		"contained": {func(p *ui.Prompt) {
			p.Program, p.Name = "container:docker-3f2a1b4c5d6e/usr/bin/curl", "curl (docker-3f2a1b4c5d6e)"
			p.Facts = []string{"started by: sh, containerd-shim-runc-v2 (docker-3f2a1b4c5d6e.scope)", "user: root", "runs in: docker 3f2a1b4c5d6e"}
		}, 0},
		"passed": {func(p *ui.Prompt) {
			p.Program, p.Name = "/usr/lib/systemd/systemd-resolved", "systemd-resolved (local resolver)"
			p.Warnings = []string{"socket opened by systemd-resolved (pid 4821), used by helper (pid 4907)"}
			p.Facts = []string{"asks for: other programs, which of them cannot be known", "started by: systemd (systemd-resolved.service)", "user: systemd-resolve"}
		}, 0},
		"everything": {func(p *ui.Prompt) {
			p.About, p.Others = "in another mount namespace", 2
			p.Warnings = []string{"LD_PRELOAD is set: /tmp/a.so", "LD_AUDIT is set: /tmp/b.so", "anyone can change what is in /tmp/x", "its file changed just now"}
			p.Facts = []string{"used by: backup.sh", "started by: backup.sh, sh, cron (cron.service)", "user: root on pts/3", "command: updater --now", "runs in: docker 3f2a1b4c5d6e", "libraries from: /opt/x/lib"}
		}, 2},
	}
	for _, look := range []ui.Appearance{ui.Dark, ui.Light} {
		for name, s := range shapes {
			t.Run(name+"-"+string(look), func(t *testing.T) {
				d := newDesk(t, look)
				all := []ui.Prompt{question("1", s.change)}
				for i := range s.others {
					all = append(all, question("other"+string(rune('a'+i)), nil))
				}
				d.ask(all...)
				d.wait(7 * time.Second)
				picture := filepath.Join("prompt", name+"-"+string(look)+".png")
				test.AssertImageMatches(t, picture, d.Window().Canvas().Capture())
				if folder := os.Getenv("SALLYPORT_PICTURES"); folder != "" {
					save(t, filepath.Join(folder, "prompt-"+name+"-"+string(look)+".png"), d.Window())
				}
			})
		}
	}
}

func TestTheAnswerForWhatStartedItIsReadable(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", func(p *ui.Prompt) { p.StartedBy = "/opt/backup.sh" }))
	d.wait(7 * time.Second)
	d.Scope().SetSelected("Only started by backup.sh")
	test.AssertImageMatches(t, filepath.Join("prompt", "starter-dark.png"), d.Window().Canvas().Capture())
}

func save(t *testing.T, file string, w fyne.Window) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, w.Canvas().Capture()); err != nil {
		t.Fatal(err)
	}
}
