package app

import (
	"context"
	"errors"
	"os"

	"sallyport.dev/sallyport/app/link"
)

// hostEngine runs the engine beside show, which stays on this goroutine and
// gets a context that ends with the engine. It returns once both have ended.
func hostEngine(ctx context.Context, o engineOptions, show func(context.Context, *Control) error) error {
	engine, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan *Control, 1), make(chan error, 1)
	o.ready = func(c *Control) { ready <- c }
	go func() { ended <- runEngine(engine, o) }()
	var control *Control
	select {
	case control = <-ready:
	case err := <-ended:
		return err
	}
	program, _ := os.Executable()
	own := link.Peer{UID: -1, PID: os.Getpid(), Admin: true, Desktop: true, Program: program}
	windows, closeWindows := context.WithCancel(link.WithPeer(ctx, own))
	defer closeWindows()
	failed := make(chan error, 1)
	go func() {
		failed <- <-ended
		closeWindows()
	}()
	err := show(windows, control)
	stop()
	return errors.Join(err, <-failed)
}
