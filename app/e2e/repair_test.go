//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// What the window offers while the engine is gone runs as root through polkit,
// for which a script stands here that keeps what it was asked to run.
func TestTheWindowRestartsTheEngineAndRecovers(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	asked := filepath.Join(p.home, "asked")
	bin := filepath.Join(p.home, "bin")
	script := "#!/bin/sh\necho \"$@\" >>" + asked + "\n"
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "pkexec"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newScreen(t, 1280, 800)
	d := startDesktop(t, s, p.installed, p.socket, "PATH="+bin+":"+os.Getenv("PATH"))
	d.sees("main", "Alerts on")
	end(p.engine)
	d.sees("main", "does not answer")
	ran := func(want string) {
		t.Helper()
		poll(t, want+" is run", func() bool {
			said, _ := os.ReadFile(asked)
			return strings.Contains(string(said), want+"\n")
		})
	}
	d.click("main", "Recover")
	d.sees("main", "This removes everything")
	d.click("main", "Remove everything")
	ran(p.binary + " recover")
	d.click("main", "Restart engine")
	ran("systemctl restart sallyport")
	p.start()
	d.until("the windows are live again", func(i inspection) bool {
		return !i.reads("main", "does not answer") && i.reads("main", "Alerts on")
	})
	p.dial("/usr/bin/first")
	d.answer(d.waitForPrompt(), "Allow")
	p.decided("/usr/bin/first", "allow", 1)
}
