package netfilter

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// kernelSide is the loaded and attached half of the backend.
type kernelSide struct {
	kernelObjects
	instance *instance
	links    []link.Link
	taken    bool // maps of an engine before were taken over
}

// load loads the programs, takes over the pinned maps of an engine that was
// killed, and pins everything.
func load(i *instance, limits Limits) (*kernelSide, error) {
	if err := mountBPFFS(); err != nil {
		return nil, err
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("raise the limit for locked memory: %w", err)
	}
	for _, dir := range []string{pinFolder, i.pin("")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder for pins: %w", err)
		}
	}
	spec, err := loadKernel()
	if err != nil {
		return nil, fmt.Errorf("read the BPF programs: %w", err)
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinByName
		switch m.Type {
		case ebpf.Hash, ebpf.LRUHash:
			m.MaxEntries = cmp.Or(limits.Entries, m.MaxEntries)
		case ebpf.RingBuf:
			m.MaxEntries = cmp.Or(limits.Events, m.MaxEntries)
		}
	}
	_, err = os.Stat(i.pin(kernelMapConfigs))
	k := &kernelSide{instance: i, taken: err == nil}
	options := &ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: i.pin("")}}
	err = spec.LoadAndAssign(&k.kernelObjects, options)
	if errors.Is(err, ebpf.ErrMapIncompatible) {
		// Another version left these; what it decided is asked for again.
		i.unpin()
		if err := os.MkdirAll(i.pin(""), 0o700); err != nil {
			return nil, fmt.Errorf("make the folder for pins: %w", err)
		}
		k.taken = false
		err = spec.LoadAndAssign(&k.kernelObjects, options)
	}
	if err != nil {
		return nil, fmt.Errorf("load the BPF programs: %w", err)
	}
	return k, nil
}

// pinMatchers pins the programs that the table names by path.
func (k *kernelSide) pinMatchers() error {
	for name, p := range map[string]*ebpf.Program{"undecided": k.Undecided, "blocked": k.Blocked} {
		path := k.instance.pin(name)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old pin: %w", err)
		}
		if err := p.Pin(path); err != nil {
			return fmt.Errorf("pin %s: %w", name, err)
		}
	}
	return nil
}

// attach puts the hooks into force, in the place of those of an engine before.
func (k *kernelSide) attach() error {
	if err := k.attachExecuted(); err != nil {
		return err
	}
	hooks := []struct {
		name    string
		program *ebpf.Program
		attach  ebpf.AttachType
	}{
		{"release", k.Release, ebpf.AttachCgroupInetSockRelease},
		{"create", k.Create, ebpf.AttachCGroupInetSockCreate},
		{"connect4", k.Connect4, ebpf.AttachCGroupInet4Connect},
		{"connect6", k.Connect6, ebpf.AttachCGroupInet6Connect},
		{"sendmsg4", k.Sendmsg4, ebpf.AttachCGroupUDP4Sendmsg},
		{"sendmsg6", k.Sendmsg6, ebpf.AttachCGroupUDP6Sendmsg},
		{"ingress", k.Ingress, ebpf.AttachCGroupInetIngress},
		{"egress", k.Egress, ebpf.AttachCGroupInetEgress},
	}
	for _, h := range hooks {
		path := k.instance.pin("link_" + h.name)
		if old, err := link.LoadPinnedLink(path, nil); err == nil {
			if err := old.Update(h.program); err == nil {
				k.links = append(k.links, old)
				continue
			}
			old.Close()
			os.Remove(path)
		}
		l, err := link.AttachCgroup(link.CgroupOptions{Path: k.instance.cgroup, Attach: h.attach, Program: h.program})
		if err != nil {
			return fmt.Errorf("attach %s to %s: %w", h.name, k.instance.cgroup, err)
		}
		k.links = append(k.links, l)
		if err := l.Pin(path); err != nil {
			return fmt.Errorf("pin %s: %w", h.name, err)
		}
	}
	return nil
}

// close lets go of everything without undoing it.
func (k *kernelSide) close() {
	for _, l := range k.links {
		l.Close()
	}
	k.kernelObjects.Close()
}

// unpin detaches the instance's programs and removes its pins.
func (i *instance) unpin() error { return unpin(i.pin("")) }

func unpin(folder string) error {
	// With its last pin a program would be detached too, but some time later.
	links, _ := filepath.Glob(filepath.Join(folder, "link_*"))
	for _, path := range links {
		if l, err := link.LoadPinnedLink(path, nil); err == nil {
			l.Detach()
			l.Close()
		}
	}
	return os.RemoveAll(folder)
}

// loadModule asks for a kernel module that is not loaded by itself.
func loadModule(name string) error {
	for _, path := range []string{"/sbin/modprobe", "/usr/sbin/modprobe"} {
		if _, err := os.Stat(path); err == nil {
			return exec.Command(path, "-q", name).Run()
		}
	}
	return fmt.Errorf("load the kernel module %s: modprobe is missing", name)
}
