package netfilter

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/appimage"
	"sallyport.dev/sallyport/firewall/process"
)

// isAppImagePath tells whether an AppImage may have mounted itself there.
func isAppImagePath(path string) bool { return strings.Contains(path, "/.mount_") }

// appImage says of which AppImage a program is: of the file that a process
// runs which serves the file system that the program is on, and which proves
// it. A program whose AppImage is not known for certain stays a foreign one.
func (i *identities) appImage(key kernelProgram, pid uint32, p subject) subject {
	mounts, err := mountsOf(strconv.Itoa(int(pid)))
	if pid == 0 || err != nil {
		return untold(pid)
	}
	at := mountAt(mounts, p.Path)
	if at == nil || at.Major != 0 || uint32(at.Minor) != key.Device || !strings.HasPrefix(at.FSType, "fuse") {
		return p
	}
	// Whoever serves the files can change them, and what the kernel knows them by.
	p.Program = firewall.Program{
		Kind: firewall.Foreign, Path: p.Path, Why: "its files are served by another program",
		File: fmt.Sprintf("%d:%d:%d:%d", key.Device, key.Number, key.Generation, key.Ctime),
	}
	file, err := appImageServer(key.Device, userOf(at))
	if err != nil {
		return p
	}
	defer file.Close()
	// The kernel's own key of the file, and the proof that it is at its path here.
	fd := int(file.Fd())
	found, err := i.open(map[int]string{fd: file.Name()})
	image := found[fd].Program
	if err != nil || image.Inode == 0 {
		return p
	}
	if same, err := i.same(image, file.Name()); err != nil || !same {
		return p
	}
	return subject{firewall.Program{Kind: firewall.Executable, Path: file.Name()}, stampOf(image), true}
}

// appImageServer opens the AppImage that serves the FUSE connection with this
// number for a user: the file that runs in a process of theirs which got the
// connection for itself. Nothing of other processes is opened, since what they
// run may be on a file system that never answers.
func appImageServer(connection uint32, user string) (*os.File, error) {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, one := range processes {
		folder := "/proc/" + one.Name()
		var st unix.Stat_t
		if strings.Trim(one.Name(), "0123456789") != "" || unix.Stat(folder, &st) != nil || strconv.Itoa(int(st.Uid)) != user ||
			!serves(folder, connection) || !isUnforced(folder) {
			continue
		}
		if file, err := openAppImage(folder + "/exe"); err == nil {
			return file, nil
		}
	}
	return nil, errors.New("no AppImage serves the file system")
}

// userOf is the user for whom a FUSE file system was mounted.
func userOf(m *mountinfo.Info) string {
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		if user, ok := strings.CutPrefix(option, "user_id="); ok {
			return user
		}
	}
	return ""
}

// openAppImage opens what a process runs if it is an AppImage of type 2.
func openAppImage(link string) (*os.File, error) {
	path, err := os.Readlink(link)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	var runs, st unix.Stat_t
	head := make([]byte, 11)
	_, err = io.ReadFull(file, head)
	if err == nil && !appimage.Is(head) {
		err = errors.New("no AppImage")
	}
	if err == nil {
		err = errors.Join(unix.Stat(link, &runs), unix.Fstat(fd, &st))
	}
	if err == nil && (runs.Dev != st.Dev || runs.Ino != st.Ino) {
		err = errors.New("another file is at its path")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// serves tells whether a process holds a FUSE connection that it did not
// inherit from what it was before: one that it opened is closed on exec.
func serves(folder string, connection uint32) bool {
	descriptors, _ := os.ReadDir(folder + "/fd")
	for _, fd := range descriptors {
		if to, err := os.Readlink(folder + "/fd/" + fd.Name()); err != nil || to != "/dev/fuse" {
			continue
		}
		info, err := os.ReadFile(folder + "/fdinfo/" + fd.Name())
		if err != nil {
			continue
		}
		var number, flags uint64
		for line := range strings.Lines(string(info)) {
			key, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimSpace(value); key {
			case "fuse_connection":
				number, _ = strconv.ParseUint(value, 10, 32)
			case "flags":
				flags, _ = strconv.ParseUint(value, 8, 64)
			}
		}
		if number != 0 && uint32(number) == connection && flags&unix.O_CLOEXEC != 0 {
			return true
		}
	}
	return false
}

// isUnforced tells whether nothing in the environment that an AppImage was
// started with makes it serve other files than its own.
func isUnforced(folder string) bool {
	environment, err := os.ReadFile(folder + "/environ")
	if err != nil {
		return false
	}
	for _, variable := range strings.Split(string(environment), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		switch {
		case strings.HasPrefix(name, "LD_"), name == "TARGET_APPIMAGE", name == "FUSERMOUNT_PROG":
			return false
		case name == "PATH" && !mountsByRoots(value):
			return false
		}
	}
	return true
}

// mountsByRoots tells whether the programs that mount for users are found in
// folders that are root's, if they are found by a search path at all.
func mountsByRoots(path string) bool {
	for _, program := range []string{"fusermount", "fusermount3"} {
		for _, folder := range filepath.SplitList(path) {
			found, err := filepath.EvalSymlinks(filepath.Join(folder, program))
			if errors.Is(err, os.ErrNotExist) && filepath.IsAbs(folder) {
				continue
			}
			if err != nil || !filepath.IsAbs(folder) || process.RootsAlone(found) != nil {
				return false
			}
			break
		}
	}
	return true
}
