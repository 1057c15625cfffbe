package vmtest_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// checkout gives a folder with what `make install` takes: scripts, packaging,
// icons and the program, here without windows.
func checkout(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"scripts", "packaging", "assets/icons"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join("../..", part))); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(deadline(t, 5*time.Minute), "go", "build", "-buildvcs=false",
		"-ldflags", "-X sallyport.dev/sallyport/app.Version="+version, "-o", filepath.Join(dir, "build/sallyport"), "sallyport.dev/sallyport")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program without windows: %v\n%s", err, out)
	}
	return dir
}

// script runs one of the checkout's scripts on this machine; DESTDIR keeps it
// from touching the machine.
func script(t *testing.T, name, dest string) {
	t.Helper()
	c := exec.CommandContext(deadline(t, time.Minute), "bash", name)
	c.Env = append(os.Environ(), "DESTDIR="+dest, "PREFIX=/usr")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// A package is staged without root, and its removal leaves no file.
func TestInstallStagesFiles(t *testing.T) {
	dir, dest := checkout(t, "staged"), t.TempDir()
	files := func() (found []string) {
		fs.WalkDir(os.DirFS(dest), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			found = append(found, info.Mode().String()+" /"+path)
			return err
		})
		return found
	}
	script(t, filepath.Join(dir, "scripts/install"), dest)
	want := []string{
		"-rw-r--r-- /etc/xdg/autostart/dev.sallyport.desktop",
		"-rwxr-xr-x /usr/bin/sallyport",
		"-rw-r--r-- /usr/lib/systemd/system/sallyport.service",
		"-rw-r--r-- /usr/lib/sysusers.d/sallyport.conf",
		"-rw-r--r-- /usr/lib/tmpfiles.d/sallyport.conf",
		"-rw-r--r-- /usr/share/applications/dev.sallyport.desktop",
		"-rw-r--r-- /usr/share/icons/hicolor/128x128/apps/dev.sallyport.png",
		"-rw-r--r-- /usr/share/icons/hicolor/scalable/apps/dev.sallyport.svg",
		"-rw-r--r-- /usr/share/polkit-1/actions/dev.sallyport.policy",
	}
	if got := files(); !slices.Equal(got, want) {
		t.Errorf("installed:\n%s", strings.Join(got, "\n"))
	}
	for path, line := range map[string]string{
		"/usr/lib/systemd/system/sallyport.service":        "ExecStart=/usr/bin/sallyport engine",
		"/usr/lib/tmpfiles.d/sallyport.conf":               "z /usr/bin/sallyport 2755 root sallyport-desktop",
		"/usr/share/applications/dev.sallyport.desktop":    "Exec=/usr/bin/sallyport",
		"/etc/xdg/autostart/dev.sallyport.desktop":         "Exec=/usr/bin/sallyport --hidden",
		"/usr/share/polkit-1/actions/dev.sallyport.policy": `<action id="dev.sallyport.manage">`,
	} {
		if text, err := os.ReadFile(dest + path); err != nil || !strings.Contains(string(text), line+"\n") {
			t.Errorf("%s has no line %q: %v", path, line, err)
		}
	}
	script(t, filepath.Join(dir, "scripts/uninstall"), dest)
	if got := files(); len(got) > 0 {
		t.Errorf("uninstalled, there is still:\n%s", strings.Join(got, "\n"))
	}
}

// networking is what a firewall may change, to be compared byte by byte.
const networking = `nft list ruleset; find /sys/fs/bpf | sort; (cd /sys/fs/cgroup; ls -d */; ls -d system.slice/sallyport* 2>/dev/null)
	ip rule; ip route show table all; ip -o link; cat /proc/net/netfilter/nfnetlink_queue 2>/dev/null; mount | grep -E 'bpf|cgroup'; true`

// files lists what is on the disk, but for what a running system writes.
const files = `getent group | sort; find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /opt -o -path /root -o -path /var/log -o -path /var/cache -o -path /var/tmp \
	-o -path /var/lib/systemd -o -path /etc/group- -o -path /etc/gshadow- -o -path /etc/.pwd.lock \) -prune -o -printf '%M %u:%g %p %l\n' | sort`

const engineGone = `for i in $(seq 600); do pgrep -x sallyport >/dev/null || exit 0; sleep 0.1; done; exit 1`

// TestInstalledOnAComputer installs, upgrades, reboots, stops and uninstalls
// as a person would: the steps build on each other.
func TestInstalledOnAComputer(t *testing.T) {
	g := boot(t)
	c := computer{t, g}
	unpack := func(c computer, version string) {
		c.Helper()
		packed, err := exec.CommandContext(deadline(c.T, time.Minute), "tar", "-C", checkout(c.T, version), "-cf", "-", ".").Output()
		if err != nil {
			c.Fatal(err)
		}
		r, err := g.Run(deadline(c.T, 2*time.Minute), "rm -rf /opt/checkout; mkdir /opt/checkout; tar -C /opt/checkout -xf -", packed)
		if err != nil || r.Code != 0 {
			c.Fatalf("unpack: %+v %v", r, err)
		}
	}
	step := func(name string, f func(c computer)) {
		t.Helper()
		if !t.Run(name, func(t *testing.T) { f(computer{t, g}) }) {
			t.FailNow()
		}
	}
	unpack(c, "first")
	c.run("systemctl is-system-running --wait || true; systemctl start outside; useradd ann; useradd bob")
	disk, network := c.run(files), c.run(networking)
	allowed, blocked, unknown := c.program("allowed"), c.program("blocked"), c.program("unknown")
	c.run("for name in asks refused; do cp /usr/local/bin/outside /opt/tools/$name; done; cp /bin/bash /opt/tools/lasting")

	step("installed, it runs as a service", func(c computer) {
		if out := c.run("SUDO_USER=ann /opt/checkout/scripts/install"); !strings.Contains(out, "ann is now in the group sallyport") {
			c.Errorf("install says:\n%s", out)
		}
		c.up()
		got := c.run("stat -c '%a %U:%G %n' /usr/local/bin/sallyport /run/sallyport /run/sallyport/sallyport.sock /var/lib/sallyport /var/lib/sallyport/*; systemctl is-enabled sallyport; systemctl is-active sallyport; id -nG ann")
		for _, line := range []string{"2755 root:sallyport-desktop /usr/local/bin/sallyport", "750 root:sallyport /run/sallyport", "700 root:root /var/lib/sallyport", "enabled", "active", "ann sallyport"} {
			if !strings.Contains(got, line+"\n") {
				c.Errorf("no line %q in:\n%s", line, got)
			}
		}
		if out := c.run("systemd-analyze verify sallyport.service 2>&1"); out != "" {
			c.Errorf("systemd-analyze verify says:\n%s", out)
		}
		c.run("runuser -u ann -- sallyport status")
		c.fails("runuser -u bob -- sallyport status")
	})
	step("an upgrade leaves no gap", func(c computer) {
		c.run("sallyport mode ask; for name in allowed asks lasting; do sallyport rules add --program /opt/tools/$name --verdict allow; done; for name in blocked refused; do sallyport rules add --program /opt/tools/$name --verdict block; done")
		c.connects(allowed)
		c.refused(blocked)
		c.run(`rm -f /tmp/stop /tmp/wrong
			each() { (while [ ! -e /tmp/stop ]; do eval "$2" >/dev/null 2>>/tmp/said.$1 || true; echo >>/tmp/rounds.$1; sleep 0.3; done; touch /tmp/ended.$1) >/dev/null 2>&1 & }
			each allowed '/opt/tools/allowed -sS -m 100 http://10.99.0.2/ || echo the allowed program was cut >>/tmp/wrong'
			each blocked '! /opt/tools/blocked -sS -m 100 http://10.99.0.2/ || echo the blocked program connected >>/tmp/wrong'
			each unknown '! /opt/tools/unknown -sS -m 2 http://10.99.0.2/ || echo the unknown program connected >>/tmp/wrong'
			each lasting '/opt/tools/lasting -c "exec 3<>/dev/tcp/10.99.0.2/80; touch /tmp/connected; until [ -e /tmp/stop ]; do sleep 0.2; done; printf \"GET / HTTP/1.0\r\n\r\n\" >&3; grep -q ok <&3" || echo the lasting connection was cut >>/tmp/wrong'
			for i in $(seq 600); do [ -s /tmp/rounds.allowed ] && [ -s /tmp/rounds.blocked ] && [ -s /tmp/rounds.unknown ] && [ -e /tmp/connected ] && exit 0; sleep 0.1; done; exit 1`)
		unpack(c, "second")
		c.run("/opt/checkout/scripts/install")
		if s := c.status(); s.Version != "second" || s.Mode.String() != "ask" {
			c.Errorf("status after the upgrade: %+v", s)
		}
		c.run("touch /tmp/stop; for i in $(seq 1200); do [ $(ls /tmp/ended.* 2>/dev/null | wc -l) = 4 ] && exit 0; sleep 0.1; done; exit 1")
		if wrong := c.run("cat /tmp/wrong 2>/dev/null || true"); wrong != "" {
			c.Errorf("during the upgrade:\n%s%s\n%s", wrong, c.run("wc -l /tmp/rounds.*; cat /tmp/said.allowed /tmp/said.lasting"), c.journal())
		}
	})
	step("after a reboot TCP and UDP are judged as before", func(c computer) {
		if err := g.Reboot(deadline(c.T, 5*time.Minute)); err != nil {
			c.Fatal(err)
		}
		c.up()
		c.run("systemctl start outside")
		c.connects(allowed)
		c.refused(blocked)
		if got := strings.TrimSpace(c.run("/opt/tools/asks udp 10.99.0.2:7")); got != "ok" {
			c.Errorf("the allowed program's datagram brought %q", got)
		}
		c.fails("timeout 30 /opt/tools/refused udp 10.99.0.2:7")
		a := c.starts(unknown)
		c.run("sallyport answer " + c.asked(unknown).ID + " block --for once")
		if a.ends() {
			c.Error("a blocked program connected")
		}
	})
	step("stopped, networking is as it was found", func(c computer) {
		c.run("systemctl stop sallyport")
		if after := c.run(networking); after != network {
			c.Errorf("before:\n%s\nafter:\n%s", network, after)
		}
		c.connects(blocked)
	})
	step("uninstalled after a crash, nothing is left but rules and log", func(c computer) {
		c.run("mkdir -p /run/systemd/system/sallyport.service.d; printf '[Service]\\nRestart=no\\n' >/run/systemd/system/sallyport.service.d/no.conf; systemctl daemon-reload; systemctl start sallyport")
		c.up()
		c.run("systemctl kill -s KILL sallyport; " + engineGone)
		if c.run(networking) == network {
			c.Error("a killed engine left nothing: unknown programs pass")
		}
		c.run("/opt/checkout/scripts/uninstall; rm -r /run/systemd/system/sallyport.service.d; systemctl daemon-reload")
		if after := c.run(networking); after != network {
			c.Errorf("before:\n%s\nafter:\n%s", network, after)
		}
		c.connects(blocked)
		c.run("test -s /var/lib/sallyport/*.db && PURGE=1 /opt/checkout/scripts/uninstall")
		if left := c.run(files); left != disk {
			c.Errorf("before and after:\n%s", difference(disk, left))
		}
	})
}

// difference lists the lines that only one of two texts has.
func difference(before, after string) string {
	var lines []string
	for line := range strings.Lines(before) {
		if !strings.Contains(after, line) {
			lines = append(lines, "- "+line)
		}
	}
	for line := range strings.Lines(after) {
		if !strings.Contains(before, line) {
			lines = append(lines, "+ "+line)
		}
	}
	return strings.Join(lines, "")
}
