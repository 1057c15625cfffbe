package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
	"sallyport.dev/sallyport/persistence"
)

const (
	memberGroup  = "sallyport"
	databaseFile = "sallyport.db"
	// stopPatience is how long stopping may take before the stacks of what
	// hangs are printed and the process ends.
	stopPatience = 20 * time.Second
	// heapBound is from how many bytes on the engine rather collects garbage
	// than grows: it runs all day beside what people work with.
	heapBound = 32 << 20
)

// engineOptions say how the engine runs.
type engineOptions struct {
	Cgroup string
	Data   string
	Socket string
	User   string
	Demo   bool

	ready func(*Control) // called once filtering is in force; nil: nobody waits for it
}

func engineCommand(e *env) *cobra.Command {
	var o engineOptions
	run := runEngine
	c := &cobra.Command{
		Use: "engine", Short: "Run the firewall itself, without windows; as " + administrator, Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Socket = e.socket
			return run(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Cgroup, "cgroup", "", "confine the firewall to this cgroup v2 folder")
	f.StringVar(&o.Data, "data", DefaultData, "folder of the database")
	f.StringVar(&o.User, "user", "", "let this user in, besides the group "+memberGroup)
	f.BoolVar(&o.Demo, "demo", false, "enforce nothing: a backend in memory, for demonstrations")
	f.Lookup("demo").Hidden = true
	systemFlags(f, &run)
	return c
}

// runEngine runs until ctx ends. What it starts last stops first: the socket,
// the backend (networking as it was found), the engine (what still waits blocked),
// the journal, the database. SIGUSR1 ends it too, but leaves in force what is:
// the service restarts so, and between two engines nothing passes unjudged.
func runEngine(ctx context.Context, o engineOptions) (err error) {
	ctx, handOver := context.WithCancelCause(ctx)
	defer handOver(nil)
	defer onHandOver(func() { handOver(firewall.ErrHandOver) })()
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(heapBound)
	if err := needsAdministrator("the engine"); err != nil && !o.Demo {
		return err
	}
	if o.Cgroup != "" {
		if o.Cgroup, err = filepath.Abs(o.Cgroup); err != nil {
			return err
		}
	}
	backend, err := o.backend()
	if err != nil {
		return err
	}
	store, report, err := persistence.Open(filepath.Join(o.Data, databaseFile))
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer closing(store, &err)
	if report.Created {
		if _, err := store.PutRules(firewall.BuiltinRules(), nil); err != nil {
			return fmt.Errorf("store the built-in rules: %w", err)
		}
	}
	access, notes, err := o.access(store)
	if err != nil {
		return err
	}
	notes = append(notes, report.Notes()...)
	socket, err := link.Listen(o.Socket, access)
	if err != nil {
		return err
	}
	defer socket.Close()
	first := firewall.ModeAllow
	if o.Cgroup != "" {
		first = firewall.ModeAsk
	}
	control, err := NewControl(store, backend, first)
	if err != nil {
		return err
	}
	control.notes = notes
	control.follows = !o.Demo && o.Cgroup == ""
	for _, n := range notes {
		slog.Warn(n)
	}
	return serve(ctx, control, func(ctx context.Context) error {
		s := &link.Server{Control: control, Access: access}
		return s.Serve(ctx, socket)
	}, func() {
		if m, ok := backend.(*firewalltest.Memory); ok {
			slog.Warn("nothing is enforced: this is a demonstration")
			go pretend(m, os.Stdin, os.Stdout)
		}
		slog.Info("the firewall is in force", "mode", control.state.Load().mode, "cgroup", o.Cgroup, "socket", o.Socket)
		daemon.SdNotify(false, daemon.SdNotifyReady)
		if o.ready != nil {
			o.ready(control)
		}
	})
}

// serve runs the parts around a control, and front last, until ctx ends or a
// part fails. ready is called once filtering is in force.
func serve(ctx context.Context, c *Control, front func(context.Context) error, ready func()) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var stopping errgroup.Group
	// part starts a part; the function returned stops it and waits for it.
	part := func(name string, run func(context.Context) error) func() {
		// Parts end one after the other, not all at once with ctx.
		own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err := run(own)
			if own.Err() == nil {
				stop(endedError{name, err})
			} else if err != nil && !errors.Is(err, context.Canceled) {
				stopping.Go(func() error { return fmt.Errorf("stop %s: %w", name, err) })
			}
		}()
		return func() { cancel(context.Cause(ctx)); <-ended }
	}
	defer func() { err = errors.Join(err, stopping.Wait()) }()
	defer part("journal", c.journal.Run)()
	defer part("engine", c.engine.Run)()
	defer part("control", c.Run)()
	defer part("prover", c.prover.Run)()
	defer alarm(ctx)()
	inForce := make(chan struct{})
	defer part("backend", func(ctx context.Context) error {
		return c.backend.Run(ctx, c.engine, func() { close(inForce) })
	})()
	select {
	case <-inForce:
	case <-ctx.Done():
		return endOf(ctx)
	}
	if c.follows {
		defer part("networks", c.watchNetworks)()
	}
	defer part("socket", front)()
	if interval, err := daemon.SdWatchdogEnabled(false); err == nil && interval > 0 {
		defer part("watchdog", func(ctx context.Context) error { return c.showLife(ctx, interval/3) })()
	}
	ready()
	<-ctx.Done()
	daemon.SdNotify(false, daemon.SdNotifyStopping)
	return endOf(ctx)
}

// showLife tells the service manager again and again that the engine works on,
// until ctx ends. An engine that hangs is not told of, and is restarted.
func (c *Control) showLife(ctx context.Context, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for ctx.Err() == nil {
		c.engine.Prompts() // returns once the engine's goroutine has answered
		c.changing.Lock()
		c.changing.Unlock() //lint:ignore SA2001 who holds it for ever hangs
		daemon.SdNotify(false, daemon.SdNotifyWatchdog)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// endedError says that a part ended though nobody told it to.
type endedError struct {
	part string
	err  error
}

func (e endedError) Unwrap() error { return e.err }

func (e endedError) Error() string {
	if e.err == nil {
		return "the " + e.part + " ended by itself"
	}
	return fmt.Sprintf("the %s failed: %v", e.part, e.err)
}

// endOf is why serving ended: nil if it was told to.
func endOf(ctx context.Context) error {
	if failed, ok := errors.AsType[endedError](context.Cause(ctx)); ok {
		return failed
	}
	return nil
}

// alarm prints where everything hangs if stopping takes too long after ctx
// ended. The function returned ends it.
func alarm(ctx context.Context) func() {
	stopped := make(chan struct{})
	go func() {
		<-ctx.Done()
		t := time.NewTimer(stopPatience)
		defer t.Stop()
		select {
		case <-stopped:
		case <-t.C:
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "sallyport: stopping hangs:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			os.Exit(failed)
		}
	}()
	return func() { close(stopped) }
}

func closing(s *persistence.Store, err *error) {
	if failed := s.Close(); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("close the database: %w", failed))
	}
}
