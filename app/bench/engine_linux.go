package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// start starts an engine for the client, with the data of this name.
func (w *world) start(ctx context.Context, data string) error {
	socket := filepath.Join(w.dir, "run", "s.sock")
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return err
	}
	w.engine = w.in(ctx, w.client, append(w.resolving(), w.program, "engine", "--cgroup", w.cgroup, "--data", filepath.Join(w.dir, data), "--socket", socket)...)
	w.engine.Stderr = &w.engineSays
	if err := w.engine.Start(); err != nil {
		return err
	}
	w.control = link.NewClient(socket)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		_, err := w.control.Status(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the engine does not start: %w: %s", err, w.engineSays.String())
		}
	}
}

// resolving runs a command for which the server is the configured resolver, so
// that its names are learnt as a resolver's are.
func (w *world) resolving() []string {
	return []string{"unshare", "--mount", "sh", "-ec", `echo "nameserver ` + server + `" >"$0"
mount --bind "$0" /etc/resolv.conf
exec "$@"`, filepath.Join(w.dir, "resolv.conf")}
}

// stop ends the engine; networking is then as without it.
func (w *world) stop() error {
	engine := w.engine
	w.engine = nil
	if err := engine.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := engine.Wait(); err != nil {
		return fmt.Errorf("the engine ended: %w: %s", err, w.engineSays.String())
	}
	return nil
}

// permit allows the load generator and adds rules for so many other programs.
func (w *world) permit(ctx context.Context, others int) error {
	if _, err := w.control.AddRule(ctx, ui.Rule{Program: w.generator, Verdict: firewall.Allow, Until: "always", Enabled: true}); err != nil {
		return err
	}
	if others == 0 {
		return nil
	}
	more := persistence.Document{}
	for i := range others {
		more.Rules = append(more.Rules, firewall.Rule{
			ID: firewall.RuleID(fmt.Sprintf("bench-%d", i)), Program: fmt.Sprintf("/opt/other/program-%d", i/4),
			Port: uint16(1 + i%4), Verdict: firewall.Verdict(i % 2), Created: time.Now().UTC(),
		})
	}
	text, err := more.Encode()
	if err != nil {
		return err
	}
	_, err = w.control.Import(ctx, text, ui.ImportOptions{Apply: true})
	return err
}

// askAnew is ask for a program that was never seen.
func (w *world) askAnew(ctx context.Context) (asked, connected time.Duration, err error) {
	w.asked++
	path := filepath.Join(w.dir, fmt.Sprintf("new%d", w.asked))
	if err := w.copyTo(path, 0); err != nil {
		return 0, 0, err
	}
	return w.ask(ctx, path)
}

// ask starts a program, and answers when asked. It tells how long the question
// and, after the answer, the connection took.
func (w *world) ask(ctx context.Context, path string) (asked, connected time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	questions := make(chan ui.Prompt, 1)
	watching := make(chan struct{}, 1)
	watch, stop := context.WithCancel(ctx)
	defer stop()
	go w.control.Watch(watch, func(e ui.Event) {
		if e.Prompts == nil {
			return
		}
		select {
		case watching <- struct{}{}:
		default:
		}
		for _, p := range *e.Prompts {
			if p.Program == path {
				select {
				case questions <- p:
				default:
				}
			}
		}
	})
	select {
	case <-watching:
	case <-ctx.Done():
		return 0, 0, errors.New("no news from the engine")
	}
	c := w.clientCommand(ctx, path, "once")
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	var p ui.Prompt
	select {
	case p = <-questions:
	case <-ctx.Done():
		return 0, 0, errors.New("nobody was asked")
	}
	seen := time.Now()
	if err := w.control.Answer(ctx, ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		return 0, 0, err
	}
	var once struct {
		Start     int64   `json:"t0_ns"`
		Connected float64 `json:"p50_us"`
	}
	if err := json.NewDecoder(out).Decode(&once); err != nil {
		return 0, 0, err
	}
	if err := c.Wait(); err != nil {
		return 0, 0, err
	}
	start := time.Unix(0, once.Start)
	connected = start.Add(time.Duration(once.Connected * 1000)).Sub(seen)
	return seen.Sub(start), connected, nil
}

// copyTo puts a copy of the load generator at a path, filled up to a size.
func (w *world) copyTo(path string, size int64) error {
	if out, err := exec.Command("cp", w.generator, path).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the program: %w: %s", err, out)
	}
	if size == 0 {
		return nil
	}
	return os.Truncate(path, size)
}

// memory is what the engine has resident, in bytes.
func (w *world) memory() (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.engine.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kB uint64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kB); n == 1 {
			return kB << 10, nil
		}
	}
	return 0, errors.New("no VmRSS")
}

// busy is how much processor time the engine has used; 0 if none runs. The
// kernel counts in hundredths of a second, see proc(5).
func (w *world) busy() (time.Duration, error) {
	if w.engine == nil {
		return 0, nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.engine.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond, nil
}
