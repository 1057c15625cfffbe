package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
)

// runUnder runs one command under a firewall of its own.
func (e *env) runUnder(ctx context.Context, command []string) (err error) {
	if os.Geteuid() != 0 {
		return fmt.Errorf("run needs root for the firewall; the command itself runs as you: sudo sallyport run %s", strings.Join(command, " "))
	}
	// Signals are the command's: it decides what they end. From here on none
	// ends this program before everything is removed.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if _, err := exec.LookPath(command[0]); err != nil {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	who, err := invoker()
	if err != nil {
		return err
	}
	group, err := makeCgroup()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeCgroup(group.Name()), group.Close()) }()
	backend, err := openBackend(group.Name())
	if err != nil {
		return err
	}
	data, err := os.MkdirTemp("", "sallyport-run-")
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	defer os.RemoveAll(data)
	store, _, err := persistence.Open(filepath.Join(data, databaseFile))
	if err != nil {
		return err
	}
	defer closing(store, &err)
	if _, err := store.PutRules(firewall.BuiltinRules(), nil); err != nil {
		return err
	}
	// The terminal is the person's; what goes well is not written there.
	slog.SetDefault(slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	mode := firewall.ModeAsk
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err == nil {
		defer tty.Close()
	} else {
		fmt.Fprintln(e.err, "sallyport: there is no terminal to ask on: what no rule allows is blocked")
		mode = firewall.ModeBlock
	}
	control, err := NewControl(store, backend, mode)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var status error
	err = serve(ctx, control, func(ctx context.Context) error {
		asked, done := context.WithCancel(ctx)
		var asking sync.WaitGroup
		if tty != nil {
			asking.Go(func() { newAsker(tty, control, group.Name()).run(asked) })
		}
		status = runIn(ctx, signals, group, who, command)
		done()
		asking.Wait()
		stop()
		<-ctx.Done()
		return nil
	}, func() {})
	return errors.Join(err, status)
}

// invoker is the user who called sudo or pkexec, else the caller.
func invoker() (*user.User, error) {
	uid := cmp.Or(os.Getenv("SUDO_UID"), os.Getenv("PKEXEC_UID"), strconv.Itoa(os.Getuid()))
	u, err := user.LookupId(uid)
	if err == nil {
		return u, nil
	}
	// A user without an entry has at least the group that sudo names.
	if gid := os.Getenv("SUDO_GID"); gid != "" && uid == os.Getenv("SUDO_UID") {
		return &user.User{Uid: uid, Gid: gid, Username: uid, HomeDir: "/"}, nil
	}
	return nil, fmt.Errorf("find the user to run as: %w", err)
}

// makeCgroup makes a cgroup below the caller's own: whatever firewall judges
// the caller judges the command as well. It is locked, so that a recover
// elsewhere leaves it alone.
func makeCgroup() (*os.File, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("find the cgroup v2 tree: %w", err)
	}
	if len(mounts) == 0 {
		return nil, errors.New("run needs the cgroup v2 tree, which is not mounted here: mount -t cgroup2 none /sys/fs/cgroup")
	}
	dir := filepath.Join(mounts[0].Mountpoint, ownCgroup(), "sallyport-run-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	group, err := os.Open(dir)
	if err == nil {
		err = unix.Flock(int(group.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hold the cgroup: %w", err), os.Remove(dir))
	}
	return group, nil
}

// ownCgroup is the caller's place in the cgroup v2 tree.
func ownCgroup() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "/"
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path
		}
	}
	return "/"
}

// removeCgroup ends what the command left running and removes the cgroup. The
// kernel takes a moment to empty it.
func removeCgroup(dir string) error {
	os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
	deadline := time.Now().Add(5 * time.Second)
	for {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove the cgroup: %w", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// runIn starts the command inside the cgroup, passes signals on, and returns
// its exit status as an error.
func runIn(ctx context.Context, signals <-chan os.Signal, group *os.File, who *user.User, command []string) error {
	// The kernel ends the command with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(command[0], command[1:]...)
	if cmd.Err != nil {
		return fmt.Errorf("run %s: %w", command[0], cmd.Err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd()), Pdeathsig: syscall.SIGKILL}
	cmd.Env = environment()
	if uid, _ := strconv.Atoi(who.Uid); uid != os.Getuid() {
		var err error
		if cmd.SysProcAttr.Credential, err = credential(who); err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "HOME="+who.HomeDir, "USER="+who.Username, "LOGNAME="+who.Username)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			// A command that is frozen for a question could not obey.
			os.WriteFile(freezerOf(group.Name()), []byte("0"), 0)
			// The terminal sends its interrupt to the command as well.
			if s != os.Interrupt || !hasTerminal() {
				cmd.Process.Signal(s)
			}
		case <-ctx.Done():
			// The firewall around it has ended.
			cmd.Process.Signal(syscall.SIGTERM)
			select {
			case err := <-ended:
				return statusOf(command[0], err)
			case <-time.After(5 * time.Second):
				cmd.Process.Kill()
				return statusOf(command[0], <-ended)
			}
		case err := <-ended:
			return statusOf(command[0], err)
		}
	}
}

func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// environment is what this process was started with: what it sets for its own
// windows is not the command's business.
func environment() []string {
	text, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return os.Environ()
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == 0 })
}

func credential(who *user.User) (*syscall.Credential, error) {
	c := &syscall.Credential{}
	number := func(s string) uint32 { n, _ := strconv.ParseUint(s, 10, 32); return uint32(n) }
	c.Uid, c.Gid = number(who.Uid), number(who.Gid)
	groups, err := who.GroupIds()
	if err != nil && who.Username != who.Uid {
		return nil, fmt.Errorf("find the groups of %s: %w", who.Username, err)
	}
	for _, g := range groups {
		c.Groups = append(c.Groups, number(g))
	}
	return c, nil
}

// statusOf turns the end of a command into our own exit status, 128 and the
// signal's number for one that was ended by a signal, as shells do.
func statusOf(name string, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return fmt.Errorf("run %s: %w", name, err)
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return exitStatus(128 + int(ws.Signal()))
	}
	return exitStatus(exit.ExitCode())
}
