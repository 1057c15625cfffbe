package app

import (
	"errors"
	"log/slog"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/windivert"
)

// openBackend prepares the backend of this system; the error says what is
// missing.
func openBackend(cgroup string) (firewall.Backend, error) {
	if cgroup != "" {
		return nil, errors.New("there are no cgroups on Windows: the firewall filters the whole computer")
	}
	return windivert.New(windivert.Config{Log: slog.Default()})
}
