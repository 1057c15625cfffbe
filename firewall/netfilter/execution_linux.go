package netfilter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf/link"
)

// attachExecuted has the kernel side see what interpreters execute. An engine
// before may have left its own hook: it goes when this one is there.
func (k *kernelSide) attachExecuted() error {
	l, err := link.AttachTracing(link.TracingOptions{Program: k.Executed})
	if err != nil {
		return fmt.Errorf("attach to the execution of programs: %w", err)
	}
	k.links = append(k.links, l)
	path := k.instance.pin("link_executed")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an old pin: %w", err)
	}
	if err := l.Pin(path); err != nil {
		return fmt.Errorf("pin the hook on the execution of programs: %w", err)
	}
	return nil
}

// whole is the key of the program of all executions of an executable.
func (p kernelProgram) whole() kernelProgram {
	p.File, p.Execution = 0, 0
	return p
}
