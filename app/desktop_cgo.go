//go:build cgo && !race && (linux || windows)

package app

import (
	"context"
	"errors"

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
	if err := hasDisplay(); err != nil {
		return err
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
		engine = withConsent(link.NewDesktopClient(o.Socket, loginSession()))
	}
	u := ui.New(a, engine, ui.Options{
		Restart:   restartEngine,
		Recover:   recoverNetwork,
		Autostart: autostart(),
		Translate: translate,
		Quietly:   quietly,
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
		go reportIdle(ctx, engine)
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
