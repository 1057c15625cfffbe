// Package app is the program: its parts joined, started and stopped, and one
// file for each command.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sallyport.dev/sallyport/app/link"
	_ "sallyport.dev/sallyport/app/startenv" // before all else, Fyne in particular
	"sallyport.dev/sallyport/ui"
)

// DefaultSocket is where engine, windows and commands meet.
const DefaultSocket = link.DefaultAddress

// SocketVariable overrides it in the environment.
const SocketVariable = "SALLYPORT_SOCKET"

// Exit statuses.
const (
	done   = 0
	failed = 1
	usage  = 2
)

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitStatus ends the program with another program's status, silently.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// env is what a command works with.
type env struct {
	socket string
	json   bool
	facts  bool // say them below each line
	in     io.Reader
	out    io.Writer
	err    io.Writer
}

func (e *env) client() *link.Client { return link.NewClient(e.socket) }

// Main runs the program and returns its exit status.
func Main(args []string) int {
	if err := link.KeepGroupAside(); err != nil {
		fmt.Fprintf(os.Stderr, "sallyport: %v\n", err)
		return failed
	}
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // a terminal that closes stops an engine in it as well; nohup keeps it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	e := &env{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	root := newRoot(e)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var status exitStatus
	var wrong usageError
	switch {
	case err == nil:
		return done
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &wrong):
		fmt.Fprintf(e.err, "sallyport: %v\n", err)
		return usage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return failed
	}
	fmt.Fprintf(e.err, "sallyport: %s\n", hint(err))
	return failed
}

// hint adds what the person can do where the error does not say it itself.
func hint(err error) string {
	s := err.Error()
	switch {
	case !errors.Is(err, ui.ErrGone):
	case errors.Is(err, os.ErrPermission):
		s += "\n" + hintRefused
	default:
		s += "\n" + hintGone
	}
	return s
}

func newRoot(e *env) *cobra.Command {
	hidden := false
	root := &cobra.Command{
		Use:           "sallyport",
		Short:         "Sallyport asks before a program uses the network",
		Long:          "Sallyport asks before a program uses the network.\n\nWithout a command it opens the windows. The engine, which holds connections,\nis another process: sallyport engine, as " + administrator + ".",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			more := ""
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				more = ": did you mean " + strings.Join(near, " or ") + "?"
			}
			return usagef("there is no command %q%s\nList the commands with: sallyport --help", args[0], more)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tellInWindow(e.runWindows(cmd.Context(), desktopOptions{Socket: e.socket, Hidden: hidden}))
		},
	}
	root.Flags().BoolVar(&hidden, "hidden", false, "start in the tray, without a window")
	socket := os.Getenv(SocketVariable)
	if socket == "" {
		socket = DefaultSocket
	}
	root.SetOut(e.out)
	root.SetErr(e.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.PersistentFlags().StringVar(&e.socket, "socket", socket, "the engine's socket")
	root.PersistentFlags().BoolVar(&e.json, "json", false, "print one JSON object a line")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w\nSee: %s --help", err, cmd.CommandPath())
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if e.json && cmd.Annotations["json"] == "" {
			return usagef("%s has no --json: status, mode, prompts, rules, learn, programs, log, explain, undo and settings have", nameOf(cmd))
		}
		if e.socket == "" {
			return usagef("--socket needs the path of a socket")
		}
		return nil
	}
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(engineCommand(e), runCommand(e), statusCommand(e), modeCommand(e), settingsCommand(e), promptsCommand(e),
		answerCommand(e), rulesCommand(e), learnCommand(e), programsCommand(e), zonesCommand(e), logCommand(e), explainCommand(e), undoCommand(e), recoverCommand(e))
	root.AddCommand(systemCommands(e)...)
	return root
}

// helpCommand is cobra's, save that what does not exist is a wrong call.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %q\nList the commands with: sallyport --help", strings.Join(args, " "))
			}
			return cmd.Help()
		},
	}
}

// withJSON marks a command that can print JSON.
func withJSON(c *cobra.Command) *cobra.Command {
	c.Annotations = map[string]string{"json": "yes"}
	return c
}

// arguments checks how many arguments there are; what names them.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s needs %s\nSee: %s --help", nameOf(cmd), what, cmd.CommandPath())
		case len(args) > most && most == 0:
			return usagef("%s takes no argument, but there is %q\nSee: %s --help", nameOf(cmd), args[0], cmd.CommandPath())
		case len(args) > most:
			return usagef("%s takes only %s, but there is also %q\nSee: %s --help", nameOf(cmd), what, args[most], cmd.CommandPath())
		}
		return nil
	}
}

// nameOf is a command's path below the program.
func nameOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), "sallyport ")
}

// asUsage makes what the engine calls invalid a wrong call of the command.
func asUsage(err error) error {
	if errors.Is(err, ui.ErrInvalid) {
		return usageError{err}
	}
	return err
}

func (e *env) printJSON(v any) error { return json.NewEncoder(e.out).Encode(v) }

// terminal tells whether the output is one, so that colour makes sense.
func (e *env) terminal() bool {
	f, ok := e.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// paint colours a verdict or state on a terminal.
func (e *env) paint(s string) string {
	if !e.terminal() {
		return s
	}
	switch strings.TrimSpace(s) {
	case "allow", "closed", "yes":
		return "\x1b[32m" + s + "\x1b[0m"
	case "block", "open", "lock", "off", "no":
		return "\x1b[31m" + s + "\x1b[0m"
	case "ask", "waiting":
		return "\x1b[33m" + s + "\x1b[0m"
	}
	return s
}
