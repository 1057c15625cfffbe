package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// asker asks questions on a terminal that a command uses, too. While a
// question is open the command is frozen, so that it does not read the answer,
// and the terminal is as for a person who types a line. At all other times the
// asker does not touch the terminal.
type asker struct {
	tty     *os.File
	control ui.Control
	freezer string // the file that freezes the command's cgroup
}

func newAsker(tty *os.File, c ui.Control, cgroup string) *asker {
	return &asker{tty, c, freezerOf(cgroup)}
}

func freezerOf(cgroup string) string { return filepath.Join(cgroup, "cgroup.freeze") }

// errElsewhere says that the question needs no answer from here any more.
var errElsewhere = errors.New("answered, or over")

// run asks every question until ctx ends.
func (a *asker) run(ctx context.Context) {
	questions := make(chan []ui.Prompt, 1)
	go a.control.Watch(ctx, func(ev ui.Event) {
		if ev.Prompts == nil {
			return
		}
		select {
		case <-questions:
		default:
		}
		questions <- *ev.Prompts
	})
	for {
		select {
		case <-ctx.Done():
			return
		case open := <-questions:
			for open = waitingOnes(open); len(open) > 0; open = waitingOnes(open) {
				line, newer, err := a.ask(ctx, open[0], questions)
				if newer != nil {
					open = newer
				}
				if err != nil {
					if !errors.Is(err, errElsewhere) {
						return
					}
					continue
				}
				if a.answer(ctx, open[0], line) {
					open = open[1:]
				}
			}
		}
	}
}

func waitingOnes(ps []ui.Prompt) []ui.Prompt {
	return slices.DeleteFunc(slices.Clone(ps), func(p ui.Prompt) bool { return p.State != "waiting" })
}

// ask shows a question and reads a line. newer are the questions that came
// meanwhile; they begin with p where it is still open.
func (a *asker) ask(ctx context.Context, p ui.Prompt, questions <-chan []ui.Prompt) (line string, newer []ui.Prompt, err error) {
	restore := a.take()
	defer restore()
	for _, w := range p.Warnings {
		fmt.Fprintf(a.tty, "sallyport: %s\n", clean(w))
	}
	fmt.Fprintf(a.tty, "sallyport: may %s %s (%s)? [a]llow, [d]eny, add o for once: ",
		clean(cmp.Or(p.Program, p.Name)), clean(wish(p)), p.Protocol)
	typed := make(chan string, 1)
	go func() {
		defer close(typed)
		if text, err := a.readLine(ctx); err == nil {
			typed <- text
		}
	}()
	// The reader is gone when the command has its terminal back.
	defer func() {
		a.tty.SetReadDeadline(time.Unix(1, 0))
		for range typed {
		}
		a.tty.SetReadDeadline(time.Time{})
	}()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(a.tty)
			return "", nil, ctx.Err()
		case text, ok := <-typed:
			if !ok {
				// Nobody can type any more: what is not answered is blocked in time.
				<-ctx.Done()
				return "", nil, ctx.Err()
			}
			return text, newer, nil
		case open := <-questions:
			newer = waitingOnes(open)
			at := slices.IndexFunc(newer, func(o ui.Prompt) bool { return o.ID == p.ID })
			if at < 0 {
				fmt.Fprintln(a.tty, "\nsallyport: no answer came in time: blocked")
				return "", newer, errElsewhere
			}
			newer[0], newer[at] = newer[at], newer[0]
		}
	}
}

// readLine reads a line while this program is in the terminal's foreground: in
// the background the terminal would stop it.
func (a *asker) readLine(ctx context.Context) (string, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !a.foreground() {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-tick.C:
		}
	}
	line := make([]byte, 4096)
	n, err := a.tty.Read(line)
	return string(line[:n]), err
}

func (a *asker) foreground() bool {
	group := 0
	a.do(func(fd int) { group, _ = unix.IoctlGetInt(fd, unix.TIOCGPGRP) })
	return group == unix.Getpgrp()
}

// take takes the terminal from the command; the function returned gives it back.
func (a *asker) take() func() {
	a.freeze()
	var before *unix.Termios
	a.do(func(fd int) {
		if before, _ = unix.IoctlGetTermios(fd, unix.TCGETS); before == nil {
			return
		}
		line := *before
		line.Iflag |= unix.ICRNL
		line.Oflag |= unix.OPOST | unix.ONLCR
		line.Lflag |= unix.ICANON | unix.ECHO | unix.ECHOE | unix.ISIG
		unix.IoctlSetTermios(fd, unix.TCSETS, &line)
		// What was typed before the question does not answer it.
		unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)
	})
	return func() {
		a.do(func(fd int) {
			if before != nil {
				unix.IoctlSetTermios(fd, unix.TCSETS, before)
			}
		})
		os.WriteFile(a.freezer, []byte("0"), 0)
	}
}

// freeze stops the command, and waits a moment until it has stopped: one that
// reads the terminal would get the answer.
func (a *asker) freeze() {
	os.WriteFile(a.freezer, []byte("1"), 0)
	events := filepath.Join(filepath.Dir(a.freezer), "cgroup.events")
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if text, err := os.ReadFile(events); err != nil || strings.Contains(string(text), "frozen 1") {
			return
		}
	}
}

func (a *asker) do(f func(fd int)) {
	if raw, err := a.tty.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// answer tells whether the line was one.
func (a *asker) answer(ctx context.Context, p ui.Prompt, line string) bool {
	answer := ui.Answer{ID: p.ID}
	line = strings.ToLower(strings.TrimSpace(line))
	if once := strings.TrimSuffix(line, "o"); once != line || p.OnlyOnce {
		line, answer.For = strings.TrimSpace(once), "once"
	} else if p.Inline {
		answer.For = "exit"
	}
	switch line {
	case "a", "allow", "y", "yes":
		answer.Verdict = firewall.Allow
	case "d", "deny", "n":
		answer.Verdict = firewall.Block
	default:
		fmt.Fprintln(a.tty, "sallyport: please type a, d, ao or do")
		return false
	}
	if err := a.control.Answer(ctx, answer); err != nil {
		fmt.Fprintf(a.tty, "sallyport: %v\n", err)
	}
	return true
}
