package netfilter

import (
	"context"
	"errors"

	"sallyport.dev/sallyport/firewall"
)

var errBuilding = errors.New("the Linux backend is not supported yet")

// Backend holds and decides flows in the Linux kernel. It is a
// [firewall.Backend].
type Backend struct {
	config Config
}

// New prepares a backend; nothing changes on the system before Run.
func New(c Config) (*Backend, error) { return &Backend{config: c}, nil }

// Supported returns nil if this system can run the backend, or a sentence
// that names what is missing.
func Supported() error { return errBuilding }

// Recover removes everything of ours from this network namespace, also what a
// killed engine left, and lists what it removed. While an engine lives it
// refuses unless forced.
func Recover(force bool) (removed []string, err error) { return nil, errBuilding }

// Run filters until ctx ends; then networking is as it was found.
func (b *Backend) Run(ctx context.Context, sink firewall.Sink, ready func()) error {
	return errBuilding
}

// Apply puts a policy into force and judges established flows again.
func (b *Backend) Apply(p firewall.Policy) error { return nil }

// Stats reports counters and facts for status.
func (b *Backend) Stats() firewall.Stats {
	return firewall.Stats{Backend: "ebpf+nfqueue", Cgroup: b.config.Cgroup}
}
