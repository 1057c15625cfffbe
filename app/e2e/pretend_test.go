//go:build linux

package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
)

// pretend is the engine on its backend in memory, for tests that are about
// windows: connections are lines that it reads.
type pretend struct {
	installed
	t        testing.TB
	socket   string
	engine   *exec.Cmd
	attempts io.Writer
	says     *output
}

func newPretend(t testing.TB) *pretend {
	t.Helper()
	need(t, "Xvfb", "go")
	p := &pretend{installed: install(t), t: t}
	p.socket = filepath.Join(p.folder, "run", "s.sock")
	p.start()
	return p
}

// start starts the engine, or starts it again.
func (p *pretend) start() {
	p.t.Helper()
	p.engine = exec.Command(p.binary, "engine", "--demo", "--user", personName, "--data", filepath.Join(p.folder, "data"), "--socket", p.socket)
	in, err := p.engine.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.attempts = in
	p.says = begin(p.t, "engine", "", p.engine)
	waitForEngine(p.t, p.socket)
}

// mode sets the mode as root does.
func (p *pretend) mode(m firewall.Mode) {
	p.t.Helper()
	if err := link.NewClient(p.socket).SetMode(p.t.Context(), m); err != nil {
		p.t.Fatal(err)
	}
}

// dial pretends that a program connects.
func (p *pretend) dial(program string) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.attempts, "dial %s 198.51.100.7:443 0 www.example.org\n", program); err != nil {
		p.t.Fatal(err)
	}
}

// decided waits until a program's connections were allowed or blocked n times.
func (p *pretend) decided(program, verdict string, n int) {
	p.t.Helper()
	poll(p.t, program+" is decided", func() bool { return strings.Count(p.says.String(), verdict+" "+program+" ") >= n })
}

// rules are those of a program.
func (p *pretend) rules(program string) (rules []string) {
	p.t.Helper()
	all, err := link.NewClient(p.socket).Rules(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range all {
		if r.Program == program {
			rules = append(rules, r.Verdict.String())
		}
	}
	return rules
}
