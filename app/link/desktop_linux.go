package link

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// The desktop program answers for the person, so the person's other programs
// must not be able to put themselves into it: by a library named in its
// environment (LD_PRELOAD), by starting it traced, by its debugging interface.
// Installed, it is root's file, setgid to a group that nobody is in. The kernel
// gives that group to a process only if nothing of its caller can reach into
// it, and takes nothing for it from the environment. The program keeps it as
// its saved group, by which the engine knows it. Neither a member of the group
// sallyport nor a program in a user namespace of its own can make such a
// process otherwise.

// Hide makes this process not dumpable: other processes of the same user can
// then neither trace it nor open its files in /proc.
func Hide() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("become not dumpable: %w", err)
	}
	return nil
}

// KeepGroupAside gives the group of a setgid program back, save as the mark
// by which the engine knows the program: files and connections are the
// person's own.
func KeepGroupAside() error {
	if syscall.Getegid() == syscall.Getgid() {
		return nil
	}
	if err := syscall.Setresgid(-1, syscall.Getgid(), -1); err != nil {
		return fmt.Errorf("give the program's group back: %w", err)
	}
	return nil
}

// Installed says what keeps this program's file from being trusted to answer;
// nil if nothing does. members is the group that is let in, -1 for none.
func Installed(members int) error {
	_, err := mark(members)
	return err
}

// mark returns the group that this program's file gives to who runs it.
func mark(members int) (gid int, err error) {
	file, err := os.Stat("/proc/self/exe")
	if err != nil {
		return -1, err
	}
	sys, ok := file.Sys().(*syscall.Stat_t)
	switch {
	case !ok || sys.Uid != 0 || file.Mode().Perm()&0o022 != 0:
		return -1, errors.New("others than root can change the program's file: install it with: sudo make install")
	case file.Mode()&os.ModeSetgid == 0:
		return -1, errors.New("the program's file is not setgid, so any program could answer through it: install it with: sudo make install")
	case int(sys.Gid) == members:
		return -1, errors.New("the program's file is setgid to a group that people are in: install it with: sudo make install")
	}
	return int(sys.Gid), nil
}

// unfit says why the peer must not answer as the desktop program; "" if it
// may. Root may anyway.
func (p Peer) unfit(members int) string {
	// The executable comes first: this program never becomes another one, so
	// what is read after that is read of it.
	theirs, err := os.Stat(proc(p.PID, "exe"))
	if err != nil {
		return "its program cannot be read"
	}
	ours, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "the engine's program cannot be read"
	}
	if !os.SameFile(theirs, ours) {
		return quoted(p.Program) + " is not the program that the engine runs (or another version of it): restart the engine with: sudo systemctl restart sallyport"
	}
	if p.Admin {
		return ""
	}
	gid, err := mark(members)
	if err != nil {
		return err.Error()
	}
	real, saved, err := groupIDs(p.PID)
	switch {
	case err != nil:
		return "its groups cannot be read"
	case real == gid || slices.Contains(p.Groups, gid):
		return fmt.Sprintf("its user is in group %d, which only the program itself may have: leave that group", gid)
	case saved != gid || !startedSecurely(p.PID):
		return "it was started so that another program can control it (traced, confined, or from a file system without setuid): start it from the menu"
	case !hidden(p.PID):
		return "other programs can trace it"
	}
	return ""
}
