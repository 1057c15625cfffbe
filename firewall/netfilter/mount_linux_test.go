package netfilter_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

// deadMountRole mounts a file system at its argument that never answers, as a
// network file system does whose server is gone.
func deadMountRole() error {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)
	if err := unix.Mount("dead", os.Getenv("SALLYPORT_TEST_MOUNT"), "fuse", 0, options); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	fmt.Println(`"mounted"`)
	_, err = bufio.NewReader(os.Stdin).ReadString(0)
	_ = err // its end wakes whoever waits for the file system
	return nil
}

func TestADeadNetworkMountHoldsNothingUp(t *testing.T) {
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		t.Skip("needs /dev/fuse, to make a file system that does not answer")
	}
	world := newWorld(t)
	dead := filepath.Join(world.dir, "dead")
	if err := os.Mkdir(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mount := world.outside(self)
	mount.Env = append(os.Environ(), roleVariable+"=deadmount", "SALLYPORT_TEST_MOUNT="+dead)
	server := startChild[string](t, mount, nil)
	server.next(t)
	good, bad, late := world.program("good"), world.program("bad"), world.program("late")
	began := time.Now()
	g := world.guard(setup{Rules: []firewall.Rule{
		{ID: "dead", Program: filepath.Join(dead, "program"), Verdict: firewall.Allow},
		{ID: "good", Program: good, Verdict: firewall.Allow}, {ID: "bad", Program: bad, Verdict: firewall.Block},
	}})
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the start took %v", took)
	}
	world.decided("beside a dead mount", good, bad)
	began = time.Now()
	g.decide(late, firewall.Block)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a change of rules took %v", took)
	}
	if got := world.tries(late); got != "EPERM" {
		t.Errorf("the program that was blocked later says %q, want EPERM", got)
	}
	g.stop()
	server.in.Close()
	server.wait(t)
}
