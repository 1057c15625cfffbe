package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"sallyport.dev/sallyport/ui"
)

// hasDisplay tells what is missing for windows.
func hasDisplay() error {
	if os.Getenv("DISPLAY") == "" {
		return errors.New("there is no display for the windows: start it in a desktop session, or use the commands, see: sallyport --help")
	}
	return nil
}

// loginSession is the session that this process is in, as the login manager
// names it, or "".
func loginSession() string { return os.Getenv("XDG_SESSION_ID") }

// autostart is none: the package installs an entry for everybody.
func autostart() ui.Autostart { return nil }

// withConsent is the engine itself, which asks polkit.
func withConsent(engine ui.Control) ui.Control { return engine }

func restartEngine(ctx context.Context) error {
	return asRoot(ctx, "systemctl", "restart", "sallyport")
}

func recoverNetwork(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	return asRoot(ctx, self, "recover")
}

// asRoot runs a command as root, for which the desktop asks for a password.
// Where it cannot, the error says which command to type.
func asRoot(ctx context.Context, command ...string) error {
	typed := "sudo " + strings.Join(command, " ")
	if os.Geteuid() != 0 {
		pkexec, err := exec.LookPath("pkexec")
		if err != nil {
			return fmt.Errorf("this needs root: type %s", typed)
		}
		command = append([]string{pkexec}, command...)
	}
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		said := strings.TrimSpace(string(out))
		if said == "" {
			said = err.Error()
		}
		return fmt.Errorf("%s (you can type %s)", said, typed)
	}
	return nil
}
