package app

import (
	"os"
	"os/signal"
	"syscall"
)

// onHandOver calls act once the service manager restarts the engine, see
// RestartKillSignal in packaging/sallyport.service. The function returned ends
// that.
func onHandOver(act func()) func() {
	came, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(came, syscall.SIGUSR1)
	go func() {
		select {
		case <-came:
			act()
		case <-ended:
		}
	}()
	return func() {
		signal.Stop(came)
		close(ended)
	}
}
