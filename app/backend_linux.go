package app

import (
	"log/slog"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/netfilter"
)

// openBackend prepares the backend of this system; the error says what is
// missing.
func openBackend(cgroup string) (firewall.Backend, error) {
	if err := netfilter.Supported(); err != nil {
		return nil, err
	}
	return netfilter.New(netfilter.Config{Cgroup: cgroup, Log: slog.Default()})
}

// recoverBackend removes what an engine left.
func recoverBackend(force bool) ([]string, error) { return netfilter.Recover(force) }
