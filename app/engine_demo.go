package app

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
)

// backend prepares the backend of this system, or one in memory that enforces
// nothing.
func (o engineOptions) backend() (firewall.Backend, error) {
	if o.Demo {
		return firewalltest.NewMemory(), nil
	}
	return openBackend(o.Cgroup)
}

// pretend makes the attempts that the lines of in name, on a backend in
// memory: "dial PATH ADDRESS:PORT [PID [HOST]]". What becomes of each is
// printed.
func pretend(m *firewalltest.Memory, in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) == 0 {
			continue
		}
		a, err := attemptOf(f)
		if err != nil {
			fmt.Fprintf(out, "%v\n", err)
			continue
		}
		c := m.Dial(a)
		go func() {
			<-c.Decided()
			d, _ := c.Decision()
			fmt.Fprintf(out, "%s %s %s: %s\n", d.Verdict, a.Program.Path, a.Remote, d.Reason)
		}()
	}
}

func attemptOf(f []string) (firewall.Attempt, error) {
	wrong := fmt.Errorf("%q: want dial PATH ADDRESS:PORT [PID [HOST]]", strings.Join(f, " "))
	if len(f) < 3 || len(f) > 5 || f[0] != "dial" {
		return firewall.Attempt{}, wrong
	}
	remote, err := netip.ParseAddrPort(f[2])
	if err != nil {
		return firewall.Attempt{}, wrong
	}
	a := firewall.Attempt{
		Flow:    firewall.Flow{Protocol: firewall.TCP, Remote: remote},
		Program: firewall.Program{Kind: firewall.Executable, Path: f[1]}, UID: -1,
	}
	if f[1] == "?" {
		a.Program = firewall.Program{File: "pretended", Why: "nobody can say which program this is"}
	}
	if len(f) > 3 {
		if a.PID, err = strconv.Atoi(f[3]); err != nil {
			return a, wrong
		}
	}
	if len(f) > 4 {
		a.Host = f[4]
	}
	return a, nil
}
