package vmtest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/vmtest"
	"sallyport.dev/sallyport/ui"
)

// install puts the program (without windows) and its service into the guest.
func install(t *testing.T, g *vmtest.Guest) {
	t.Helper()
	ctx := deadline(t, 5*time.Minute)
	program := filepath.Join(t.TempDir(), "sallyport")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "sallyport.dev/sallyport")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program without windows: %v\n%s", err, out)
	}
	if err := g.Put(ctx, program, "/usr/local/bin/sallyport", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := g.Put(ctx, "../../packaging/sallyport.service", "/etc/systemd/system/sallyport.service", 0o644); err != nil {
		t.Fatal(err)
	}
}

// computer is the guest with the firewall on it, as the steps below use it.
type computer struct {
	*testing.T
	guest *vmtest.Guest
}

// run runs a script that must succeed, and gives what it printed.
func (c computer) run(script string) string {
	c.Helper()
	r, err := c.guest.Run(deadline(c.T, 6*time.Minute), script, nil)
	if err != nil || r.Code != 0 {
		c.Fatalf("%s\nexit %d %v\n%s%s\n%s", script, r.Code, err, r.Stdout, r.Stderr, c.journal())
	}
	return r.Stdout
}

// fails runs a script that must fail, and gives what it printed on stderr.
func (c computer) fails(script string) string {
	c.Helper()
	r, err := c.guest.Run(deadline(c.T, 6*time.Minute), script, nil)
	if err != nil || r.Code == 0 {
		c.Fatalf("%s\nshould fail: exit %d %v\n%s%s\n%s", script, r.Code, err, r.Stdout, r.Stderr, c.journal())
	}
	return r.Stderr
}

func (c computer) journal() string {
	r, _ := c.guest.Run(deadline(c.T, time.Minute), "journalctl -b -u sallyport --no-pager | tail -60; nft list ruleset", nil)
	return r.Stdout
}

// program makes a program of its own that does what curl does.
func (c computer) program(name string) string {
	c.Helper()
	path := "/opt/tools/" + name
	c.run("cp /usr/bin/curl " + path)
	return path
}

// script makes a script that does what curl does.
func (c computer) script(name string) string {
	c.Helper()
	path := "/opt/tools/" + name
	c.run("cat >" + path + ` <<'END'
#!/usr/bin/perl
use IO::Socket::INET;
my $s = IO::Socket::INET->new("10.99.0.2:80") or die "refused";
print $s "GET / HTTP/1.0\r\nHost: peer.test\r\n\r\n";
local $/;
print $1 if <$s> =~ /\r\n\r\n(.*)/s;
END
chmod 755 ` + path)
	return path
}

const fetch = " -sS -m 100 http://peer.test/"

// connects: the program gets its answer.
func (c computer) connects(path string) {
	c.Helper()
	if got := strings.TrimSpace(c.run("timeout 90 " + path + fetch)); got != "ok" {
		c.Errorf("%s got %q", path, got)
	}
}

// refused: the program fails at once, inside connect, not by a time-out of its
// own (28) or of ours (124).
func (c computer) refused(path string) {
	c.Helper()
	c.run("timeout 90 " + path + fetch + "; code=$?; echo exit $code; [ $code != 0 ] && [ $code != 28 ] && [ $code != 124 ]")
}

// attempt is a program that tries in the background.
type attempt struct {
	computer
	path string
	done chan vmtest.Result
}

func (c computer) starts(path string) attempt {
	a := attempt{c, path, make(chan vmtest.Result, 1)}
	ctx := deadline(c.T, 3*time.Minute)
	go func() {
		r, err := c.guest.Run(ctx, path+fetch, nil)
		if err != nil {
			r = vmtest.Result{Code: -1, Stderr: err.Error()}
		}
		a.done <- r
	}()
	return a
}

// asked waits until the firewall asks about the program, and gives the prompt.
func (c computer) asked(path string) ui.Prompt {
	c.Helper()
	end := time.Now().Add(150 * time.Second) // a SYN is sent again after 1, 3, 7, 15, 31, 63, 127 s
	for time.Now().Before(end) {
		for line := range strings.Lines(c.run("sallyport prompts --json")) {
			var p ui.Prompt
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				c.Fatalf("prompts --json: %v: %s", err, line)
			}
			if p.Program == path {
				return p
			}
		}
	}
	c.Fatalf("nobody was asked about %s\n%s", path, c.journal())
	return ui.Prompt{}
}

// ends waits for the attempt and tells whether it got its answer.
func (a attempt) ends() (connected bool) {
	a.Helper()
	select {
	case r := <-a.done:
		return r.Code == 0 && strings.TrimSpace(r.Stdout) == "ok"
	case <-time.After(2 * time.Minute):
		a.Fatalf("%s still waits", a.path)
		return false
	}
}

// held checks that the program has got nothing so far.
func (a attempt) held() {
	a.Helper()
	select {
	case r := <-a.done:
		a.Fatalf("%s was not held: %+v", a.path, r)
	default:
	}
}

func (c computer) status() (s ui.Status) {
	c.Helper()
	if err := json.Unmarshal([]byte(c.run("sallyport status --json")), &s); err != nil {
		c.Fatal(err)
	}
	return s
}

// up waits for the engine to answer.
func (c computer) up() {
	c.Helper()
	c.run("for i in $(seq 300); do sallyport status >/dev/null 2>&1 && exit 0; sleep 0.1; done; sallyport status")
}

// TestWholeSystem is the firewall on a whole computer, as a service at the root
// cgroup: the steps build on each other.
func TestWholeSystem(t *testing.T) {
	g := boot(t)
	install(t, g)
	c := computer{t, g}
	c.run("systemctl is-system-running --wait || true; systemctl start outside")
	before := c.run("nft list ruleset; ls /sys/fs/bpf")
	step := func(name string, f func(c computer)) {
		t.Helper()
		if !t.Run(name, func(t *testing.T) { f(computer{t, g}) }) {
			t.FailNow()
		}
	}
	alpha, beta, gamma := c.program("alpha"), c.program("beta"), c.program("gamma")
	c.run("cp /usr/local/bin/outside /opt/tools/server; cp /usr/bin/curl /opt/tools/early")

	step("the first start locks nobody out", func(c computer) {
		c.run("systemctl enable --now sallyport")
		c.up()
		if s := c.status(); s.Mode.String() != "allow" || !s.FirstRun || !s.Enforcing {
			c.Errorf("status after the first start: %+v", s)
		}
		c.connects("/usr/bin/curl")
		c.run("(/opt/tools/server serve /tmp/log >/dev/null 2>&1 &); ip netns exec outside curl -sS --retry 10 --retry-connrefused -m 30 http://10.99.0.1/")
	})
	step("the queue is the kernel's own", func(c computer) {
		if rules := c.run("nft list ruleset"); !strings.Contains(rules, "queue") || strings.Contains(rules, "xt target") {
			c.Errorf("no native queue in:\n%s", rules)
		}
	})
	step("asking begins without a question for what was seen", func(c computer) {
		c.run("sallyport mode ask")
		c.connects("/usr/bin/curl")
		if s := c.status(); s.Proposed == 0 {
			c.Error("the programs seen are not proposed for confirmation")
		}
	})
	step("held, then allowed, and remembered", func(c computer) {
		a := c.starts(alpha)
		p := c.asked(alpha)
		a.held()
		if p.Host != "peer.test" || p.Remote != "10.99.0.2" || p.Port != 80 {
			c.Errorf("the prompt says %+v", p)
		}
		c.run("sallyport answer " + p.ID + " allow")
		if !a.ends() {
			c.Error("an allowed program did not connect")
		}
		c.connects(alpha)
	})
	step("held, then blocked, and remembered", func(c computer) {
		a := c.starts(beta)
		c.run("sallyport answer " + c.asked(beta).ID + " block")
		if a.ends() {
			c.Error("a blocked program connected")
		}
		c.refused(beta)
	})
	step("a script is asked about, not its interpreter", func(c computer) {
		first, second := c.script("first.pl"), c.script("second.pl")
		a := c.starts(first)
		c.run("sallyport answer " + c.asked("script:perl:"+first).ID + " allow")
		if !a.ends() {
			c.Error("an allowed script did not connect")
		}
		c.connects(first)
		b := c.starts(second)
		c.run("sallyport answer " + c.asked("script:perl:"+second).ID + " block")
		if b.ends() {
			c.Error("a blocked script connected")
		}
		c.connects(first)
	})
	step("a lock stops all but loopback, and lifted brings it back", func(c computer) {
		c.run("sallyport mode lock")
		c.refused(alpha)
		c.fails("ping -n -c1 -W2 10.99.0.2")
		c.fails("ip netns exec outside ping -n -c1 -W2 10.99.0.1")
		c.fails("ip netns exec outside curl -sS -m 5 http://10.99.0.1/")
		c.run("ping -n -c1 -W20 127.0.0.1; curl -sS -m 30 http://127.0.0.1/")
		c.run("sallyport mode ask")
		c.connects(alpha)
		c.run("ip netns exec outside ping -n -c1 -W20 10.99.0.1; ip netns exec outside curl -sS -m 30 http://10.99.0.1/")
	})
	step("a held connection survives kill -9", func(c computer) {
		a := c.starts(gamma)
		c.asked(gamma)
		c.run("systemctl kill -s KILL sallyport")
		c.up()
		c.connects(alpha)
		c.refused(beta)
		c.run("sallyport answer " + c.asked(gamma).ID + " allow --for once")
		if !a.ends() {
			c.Error("the held connection was lost")
		}
	})
	step("without an engine decisions stay in force", func(c computer) {
		c.run("mkdir -p /run/systemd/system/sallyport.service.d; printf '[Service]\\nRestart=no\\n' >/run/systemd/system/sallyport.service.d/no.conf; systemctl daemon-reload")
		c.run("systemctl kill -s KILL sallyport; for i in $(seq 100); do systemctl is-active -q sallyport || exit 0; sleep 0.1; done; exit 1")
		c.connects(alpha)
		c.refused(beta)
		c.fails("timeout 5 " + c.program("delta") + " -sS -m 4 http://10.99.0.2/")
		c.run("systemctl reset-failed sallyport; systemctl start sallyport")
		c.up()
	})
	step("fail open lets unknown programs pass without an engine", func(c computer) {
		c.run("sallyport settings fail open")
		if s := c.status(); s.Fail != "open" {
			c.Errorf("status says fail %q", s.Fail)
		}
		kill := "systemctl kill -s KILL sallyport; for i in $(seq 100); do systemctl is-active -q sallyport || exit 0; sleep 0.1; done; exit 1"
		c.run(kill)
		c.run("systemctl reset-failed sallyport; systemctl start sallyport")
		c.up()
		c.run(kill) // the second crash, and nobody tried in between
		c.run(c.program("epsilon") + " -sS -m 20 http://10.99.0.2/")
		c.refused(beta)
		c.run("systemctl reset-failed sallyport; systemctl start sallyport")
		c.up()
		c.run("sallyport settings fail closed; rm -r /run/systemd/system/sallyport.service.d; systemctl daemon-reload")
	})
	step("a restart takes over", func(c computer) {
		c.run("systemctl restart sallyport")
		c.up()
		c.connects(alpha)
		c.refused(beta)
	})
	step("stopped, networking is as it was found", func(c computer) {
		c.run("systemctl stop sallyport")
		if after := c.run("nft list ruleset; ls /sys/fs/bpf"); after != before {
			c.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		c.connects(beta)
	})
	step("after a reboot the first connection is judged", func(c computer) {
		c.run("systemctl add-wants multi-user.target early.service")
		if err := g.Reboot(deadline(c.T, 5*time.Minute)); err != nil {
			c.Fatal(err)
		}
		c.up()
		p := c.asked("/opt/tools/early")
		c.connects(alpha)
		c.refused(beta)
		c.run("sallyport answer " + p.ID + " allow")
		c.run("for i in $(seq 300); do journalctl -b -u early --no-pager -o cat | grep -qx ok && exit 0; sleep 0.1; done; exit 1")
	})
	step("recover refuses while an engine lives, and removes everything after kill -9", func(c computer) {
		c.fails("sallyport recover")
		c.run("mkdir -p /run/systemd/system/sallyport.service.d; printf '[Service]\\nRestart=no\\n' >/run/systemd/system/sallyport.service.d/no.conf; systemctl daemon-reload; systemctl kill -s KILL sallyport; " + engineGone)
		c.run("sallyport recover")
		if after := c.run("nft list ruleset; ls /sys/fs/bpf"); after != before {
			c.Errorf("left behind:\n%s", after)
		}
		c.connects(beta)
	})
}
