package netfilter

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cilium/ebpf/features"
)

// Supported returns nil if this system can run the backend, or a sentence
// that names what is missing.
func Supported() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read this process's capabilities: %w", err)
	}
	has := func(c uint) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	if !has(unix.CAP_NET_ADMIN) {
		return errors.New("CAP_NET_ADMIN is missing: start it as root")
	}
	if !has(unix.CAP_SYS_ADMIN) && !(has(unix.CAP_BPF) && has(unix.CAP_PERFMON)) {
		return errors.New("CAP_BPF is missing: start it as root, outside a container that takes it away")
	}
	if _, err := cgroupRoot(); err != nil {
		return err
	}
	version, err := features.LinuxVersionCode()
	if err != nil {
		return fmt.Errorf("read the kernel's version: %w", err)
	}
	if oldest := uint32(6<<16 | 1<<8); version < oldest {
		return fmt.Errorf("the kernel is %d.%d, and 6.1 or newer is needed", version>>16, version>>8&0xff)
	}
	spec, err := loadKernel()
	if err != nil {
		return fmt.Errorf("read the BPF programs: %w", err)
	}
	var o kernelObjects
	if err := spec.LoadAndAssign(&o, nil); err != nil {
		return fmt.Errorf("the kernel refuses the BPF programs: %w", err)
	}
	o.Close()
	return nil
}
