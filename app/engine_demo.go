package app

import (
	"errors"

	"sallyport.dev/sallyport/firewall"
)

func (o engineOptions) backend() (firewall.Backend, error) {
	if o.Demo {
		return nil, errors.New("the demonstration's backend is missing")
	}
	return openBackend(o.Cgroup)
}
