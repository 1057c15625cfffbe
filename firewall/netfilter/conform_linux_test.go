package netfilter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
	"sallyport.dev/sallyport/firewall/netfilter"
)

const (
	conformCgroup  = "SALLYPORT_TEST_CONFORM_CGROUP"
	conformProgram = "SALLYPORT_TEST_CONFORM_PROGRAM"
)

// The conformance test has the backend in its own process, so it runs again,
// as a whole, inside the client's namespaces.
func TestTheBackendConforms(t *testing.T) {
	if cgroup := os.Getenv(conformCgroup); cgroup != "" {
		firewalltest.Conformance(t, func(t *testing.T) firewalltest.Driver { return newDriver(t, cgroup) })
		return
	}
	world := newWorld(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	conf := world.executable("resolv.conf", []byte("nameserver "+peerAddr+"\n"))
	world.mustRun(world.outside("mount", "--bind", conf, "/etc/resolv.conf"))
	c := world.outside(self, "-test.run=^TestTheBackendConforms$", "-test.v", "-test.timeout=2m")
	c.Env = append(os.Environ(), conformCgroup+"="+world.cgroup, conformProgram+"="+world.program("talk"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// driver lets the conformance test act with copies of testdata/talk.
type driver struct {
	backend *netfilter.Backend
	cgroup  *os.File
	dir     string
}

var drivers atomic.Int32

func newDriver(t *testing.T, cgroup string) *driver {
	backend, err := netfilter.New(netfilter.Config{Cgroup: cgroup})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(cgroup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	program, err := os.ReadFile(os.Getenv(conformProgram))
	if err != nil {
		t.Fatal(err)
	}
	// Each driver's programs are new files with new paths.
	d := &driver{backend, file, fmt.Sprintf("%s-%d", os.Getenv(conformProgram), drivers.Add(1))}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		syscall.ForkLock.RLock()
		err := os.WriteFile(filepath.Join(d.dir, name), program, 0o755)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *driver) Backend() firewall.Backend { return d.backend }

func (d *driver) Program(name string) firewall.Program {
	return firewall.Program{Kind: firewall.Executable, Path: filepath.Join(d.dir, name)}
}

func (d *driver) Destination(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(peerAddr), []uint16{echoPort, httpPort}[n])
}

// Name asks the peer, which answers every name with its address.
func (d *driver) Name(ctx context.Context, host string) error {
	c := exec.CommandContext(ctx, "getent", "ahostsv4", host)
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(d.cgroup.Fd()), Pdeathsig: syscall.SIGKILL}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("look up %s: %w: %s", host, err, out)
	}
	return nil
}

// Dial runs a program that connects and then waits for the end.
func (d *driver) Dial(ctx context.Context, program string, destination int) (io.ReadCloser, error) {
	c := exec.CommandContext(ctx, d.Program(program).Path, "open tcp4", "connect "+d.Destination(destination).String(), "drain")
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(d.cgroup.Fd()), Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	dialled := &dialledProgram{c, json.NewDecoder(out)}
	for range 2 {
		var r result
		if err = dialled.results.Decode(&r); err == nil && r.Error != "" {
			err = errors.New(r.Command + ": " + r.Error)
		}
		if err != nil {
			dialled.Close()
			return nil, err
		}
	}
	return dialled, nil
}

type dialledProgram struct {
	process *exec.Cmd
	results *json.Decoder
}

func (p *dialledProgram) Read([]byte) (int, error) {
	var r result
	p.results.Decode(&r)
	return 0, io.EOF
}

func (p *dialledProgram) Close() error {
	p.process.Process.Kill()
	p.process.Wait()
	return nil
}
