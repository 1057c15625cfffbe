//go:build cgo && !race

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"
	"github.com/go-gl/glfw/v3.3/glfw"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/assets"
	"sallyport.dev/sallyport/ui"
)

// appID names the desktop program to the desktop.
const appID = "dev.sallyport.Sallyport"

// runDesktop shows the windows of the engine behind a socket until the person
// quits or ctx ends. It must run on the program's first goroutine. A second
// start in the same session brings the first to the front instead.
func runDesktop(ctx context.Context, o desktopOptions) error {
	if os.Getenv("DISPLAY") == "" {
		return errors.New("there is no display for the windows: start it in a desktop session, or use the commands, see: sallyport --help")
	}
	claim, err := claimSession(ctx)
	if errors.Is(err, errShown) {
		return nil
	}
	if err != nil {
		return err
	}
	defer claim.Close()
	// Other programs of the person must not reach into one that may answer.
	if err := link.Hide(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	a := fyneapp.NewWithID(appID)
	a.Settings().SetTheme(ui.NewTheme(ui.FollowSystem))
	a.SetIcon(fyne.NewStaticResource("app.png", assets.AppIcon))
	engine := o.Control
	if engine == nil {
		engine = link.NewDesktopClient(o.Socket, os.Getenv("XDG_SESSION_ID"))
	}
	u := ui.New(a, engine, ui.Options{
		Restart: func(ctx context.Context) error {
			return asRoot(ctx, "systemctl", "restart", "sallyport")
		},
		Recover: func(ctx context.Context) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find the program: %w", err)
			}
			return asRoot(ctx, self, "recover")
		},
		Quietly: quietly,
	})
	var startTray, stopTray func()
	if ui.HasSessionBus() {
		startTray, stopTray = u.RunTray()
	}
	a.Lifecycle().SetOnStarted(func() {
		if startTray != nil {
			startTray()
		}
		u.Prepare()
		if !o.Hidden || !ui.HasTrayHost() {
			u.ShowActivity()
		}
		go u.Run(ctx)
		go claim.serve(func() { fyne.Do(u.ShowPromptOrMain) })
		inspect(u)
	})
	go func() {
		<-ctx.Done()
		fyne.Do(a.Quit)
	}()
	a.Run()
	if stopTray != nil {
		stopTray()
	}
	return nil
}

// quietly shows windows without the focus for those that are made meanwhile.
// Fyne puts a window that is shown again where it was when it last heard of it.
func quietly(show func()) {
	glfw.PollEvents()
	glfw.WindowHint(glfw.FocusOnShow, glfw.False)
	defer glfw.WindowHint(glfw.FocusOnShow, glfw.True)
	show()
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
