package app

import (
	"context"
	"errors"
)

// runUnder refuses: nothing on Windows is to a program what a cgroup is.
func (e *env) runUnder(context.Context, []string) error {
	return errors.New("run needs Linux, where a cgroup confines the firewall to one command: on Windows it filters the whole computer")
}
