//go:build linux

// initrd is the guest's whole initial file system: it loads the modules that
// the root disk needs, mounts it and starts systemd.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	err := boot()
	fmt.Println("initrd:", err)
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// boot returns only if it fails.
func boot() error {
	for _, dir := range []string{"/dev", "/root"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("dev", "/dev", "devtmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount devtmpfs: %w", err)
	}
	if err := loadModules("/modules"); err != nil {
		return err
	}
	if err := mountRoot(10 * time.Second); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return unix.Mount("/dev", "/root/dev", "", unix.MS_MOVE, "") },
		func() error { return unix.Chdir("/root") },
		func() error { return unix.Mount(".", "/", "", unix.MS_MOVE, "") },
		func() error { return unix.Chroot(".") },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("enter the root file system: %w", err)
		}
	}
	return unix.Exec("/sbin/init", []string{"/sbin/init"}, []string{"TERM=dumb", "HOME=/"})
}

// loadModules loads the modules that the file "order" lists, in that order.
func loadModules(dir string) error {
	order, err := os.Open(dir + "/order")
	if err != nil {
		return err
	}
	defer order.Close()
	for lines := bufio.NewScanner(order); lines.Scan(); {
		f, err := os.Open(dir + "/" + lines.Text())
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("load %s: %w", lines.Text(), err)
		}
	}
	return nil
}

// mountRoot waits for the disk: its driver finds it some time after loading.
func mountRoot(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := unix.Mount("/dev/vda", "/root", "ext4", unix.MS_NOATIME, "")
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
