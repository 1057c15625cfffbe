package vmtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/app/vmtest/guest"
)

// ErrGone tells that the guest went away: it rebooted, crashed or was stopped.
var ErrGone = errors.New("the guest is gone")

// Guest is a virtual machine. Its disk is a copy: the image stays as it is.
// Nothing of it has a name on this machine, and it ends with the process that
// booted it: whatever happens to that, nothing is left behind.
type Guest struct {
	image   Image
	disk    *os.File
	console console

	mu      sync.Mutex
	qemu    *exec.Cmd
	exited  chan struct{}
	channel net.Conn
	next    uint64
	pending map[uint64]chan guest.Response
}

// Result is what a script in the guest gave.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// New makes a guest, not yet running.
func New(ctx context.Context, image Image) (*Guest, error) {
	f, err := os.CreateTemp("", "sallyport-guest-")
	if err != nil {
		return nil, fmt.Errorf("make the guest's disk: %w", err)
	}
	f.Close()
	defer os.Remove(f.Name())
	c := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-b", image.Disk, "-F", "qcow2", f.Name())
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the guest's disk: %w: %s", err, out)
	}
	disk, err := os.OpenFile(f.Name(), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the guest's disk: %w", err)
	}
	return &Guest{image: image, disk: disk}, nil
}

// Boot starts the guest and returns when its command channel answers (about
// 5 s); systemd may still be starting services then.
func (g *Guest) Boot(ctx context.Context) error {
	ours, theirs, err := socketPair()
	if err != nil {
		return fmt.Errorf("make the guest's command channel: %w", err)
	}
	defer theirs.Close()
	// always software emulation: where /dev/kvm exists it may still not work
	c := exec.Command("qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-accel", "tcg,thread=multi,tb-size=256",
		"-smp", "2", "-m", "768", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-kernel", g.image.Kernel, "-initrd", g.image.Initrd,
		"-append", "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off panic=-1",
		"-add-fd", "fd=3,set=1", "-drive", "if=none,id=d,file=/dev/fdset/1,format=qcow2,auto-read-only=off,file.locking=off,cache=unsafe",
		"-device", "virtio-blk-pci,drive=d",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=ch,fd=4", "-device", "virtserialport,chardev=ch,name=agent")
	c.ExtraFiles = []*os.File{g.disk, theirs}
	c.Stdout, c.Stderr = &g.console, &g.console
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, exited := make(chan error), make(chan struct{})
	go func() {
		// never unlocked: qemu is killed when the thread that started it ends
		runtime.LockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			c.Wait()
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		ours.Close()
		return fmt.Errorf("start qemu: %w", err)
	}
	g.mu.Lock()
	g.qemu, g.exited, g.channel, g.pending = c, exited, ours, map[uint64]chan guest.Response{}
	g.mu.Unlock()
	go g.read(ours)
	if _, err := g.Run(ctx, fmt.Sprintf("date -s @%d >/dev/null", time.Now().Unix()), nil); err != nil {
		return fmt.Errorf("boot the guest: %w: %s", err, g.Console())
	}
	return nil
}

// socketPair gives two ends of a channel, one of them for another process.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	own := os.NewFile(uintptr(ends[0]), "channel")
	defer own.Close()
	theirs = os.NewFile(uintptr(ends[1]), "channel")
	if ours, err = net.FileConn(own); err != nil {
		theirs.Close()
	}
	return ours, theirs, err
}

// read hands each answer to who waits for it.
func (g *Guest) read(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var r guest.Response
		if json.Unmarshal(line, &r) != nil {
			continue
		}
		g.mu.Lock()
		if waiting, ok := g.pending[r.ID]; ok {
			waiting <- r
			delete(g.pending, r.ID)
		}
		g.mu.Unlock()
	}
}

// Run runs a bash script in the guest. A failing script is no error: see
// Result.Code.
func (g *Guest) Run(ctx context.Context, script string, stdin []byte) (Result, error) {
	limit := 5 * time.Minute // the machine may be busy, and the guest is slow
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline))
	}
	g.mu.Lock()
	g.next++
	id, answer, exited := g.next, make(chan guest.Response, 1), g.exited
	g.pending[id] = answer
	line, err := json.Marshal(guest.Request{ID: id, Script: script, Stdin: stdin, Limit: limit})
	if err == nil {
		_, err = g.channel.Write(append(line, '\n'))
	}
	g.mu.Unlock()
	if err != nil {
		return Result{}, fmt.Errorf("send to the guest: %w", err)
	}
	select {
	case r := <-answer:
		return Result{r.Code, string(r.Stdout), string(r.Stderr)}, nil
	case <-exited:
		return Result{}, ErrGone
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-time.After(limit + 30*time.Second):
		return Result{}, fmt.Errorf("no answer from the guest within %s", limit+30*time.Second)
	}
}

// Put copies a file into the guest.
func (g *Guest) Put(ctx context.Context, from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	r, err := g.Run(ctx, fmt.Sprintf("mkdir -p $(dirname %[1]s) && cat > %[1]s.new && chmod %[2]o %[1]s.new && mv %[1]s.new %[1]s", to, mode), data)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("put %s: %s", to, r.Stderr)
	}
	return err
}

// Reboot restarts the guest in the orderly way.
func (g *Guest) Reboot(ctx context.Context) error {
	if _, err := g.Run(ctx, "systemctl reboot", nil); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	select {
	case <-g.exited:
	case <-ctx.Done():
		return fmt.Errorf("the guest does not go down: %w", ctx.Err())
	}
	g.channel.Close()
	return g.Boot(ctx)
}

// Close ends the guest at once.
func (g *Guest) Close() {
	defer g.disk.Close()
	if g.qemu == nil {
		return
	}
	g.channel.Close()
	g.qemu.Process.Kill()
	<-g.exited
}

// PID is the running guest's process.
func (g *Guest) PID() int { return g.qemu.Process.Pid }

// Console is what the guest's kernel, and qemu itself, printed.
func (g *Guest) Console() string { return g.console.String() }

// console keeps what is written to it.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
