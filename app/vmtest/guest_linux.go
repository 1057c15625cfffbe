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
	"path/filepath"
	"sync"
	"time"

	"sallyport.dev/sallyport/app/vmtest/guest"
)

// ErrGone tells that the guest went away: it rebooted, crashed or was stopped.
var ErrGone = errors.New("the guest is gone")

// Guest is a virtual machine. Its disk is a copy: the image stays as it is.
type Guest struct {
	image Image
	dir   string

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

// New makes a guest with a disk in dir, not yet running.
func New(ctx context.Context, image Image, dir string) (*Guest, error) {
	disk := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-b", image.Disk, "-F", "qcow2", filepath.Join(dir, "disk.qcow2"))
	if out, err := disk.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the guest's disk: %w: %s", err, out)
	}
	return &Guest{image: image, dir: dir}, nil
}

// Boot starts the guest and returns when its command channel answers (about
// 5 s); systemd may still be starting services then.
func (g *Guest) Boot(ctx context.Context) error {
	socket := filepath.Join(g.dir, "agent.sock")
	os.Remove(socket)
	// always software emulation: where /dev/kvm exists it may still not work
	c := exec.Command("qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-accel", "tcg,thread=multi,tb-size=256",
		"-smp", "2", "-m", "768", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none",
		"-serial", "file:"+filepath.Join(g.dir, "serial.log"), "-kernel", g.image.Kernel, "-initrd", g.image.Initrd,
		"-append", "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off panic=-1",
		"-drive", "if=none,id=d,file="+filepath.Join(g.dir, "disk.qcow2")+",cache=unsafe", "-device", "virtio-blk-pci,drive=d",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=ch,path="+socket+",server=on,wait=off", "-device", "virtserialport,chardev=ch,name=agent")
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		return fmt.Errorf("start qemu: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		c.Wait()
		close(exited)
	}()
	g.mu.Lock()
	g.qemu, g.exited, g.pending = c, exited, map[uint64]chan guest.Response{}
	g.mu.Unlock()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			g.mu.Lock()
			g.channel = conn
			g.mu.Unlock()
			go g.read(conn)
			break
		}
		select {
		case <-tick.C:
		case <-exited:
			return fmt.Errorf("qemu ended at once: %s", output.String())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, err := g.Run(ctx, fmt.Sprintf("date -s @%d >/dev/null", time.Now().Unix()), nil)
	return err
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
	limit := 2 * time.Minute
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
	if g.qemu == nil {
		return
	}
	if g.channel != nil {
		g.channel.Close()
	}
	g.qemu.Process.Kill()
	<-g.exited
}

// Console is what the guest's kernel printed.
func (g *Guest) Console() string {
	text, _ := os.ReadFile(filepath.Join(g.dir, "serial.log"))
	return string(text)
}
