package netfilter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

const (
	bpffs     = "/sys/fs/bpf"
	pinFolder = bpffs + "/sallyport"
	runFolder = "/run/sallyport"
	tableName = "sallyport"
)

// instance is one firewall: a cgroup in a network namespace. Several may live
// beside each other.
type instance struct {
	cgroup string // folder
	id     uint64 // of the cgroup
	level  uint32 // of the cgroup below the root
	whole  bool   // the cgroup is the root
	netns  uint64 // cookie of the network namespace of the calling thread
	name   string
	table  string
	lock   *os.File
}

func cgroupRoot() (string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		return "", fmt.Errorf("find the cgroup v2 tree: %w", err)
	}
	if len(mounts) == 0 {
		return "", errors.New("no cgroup v2 tree is mounted")
	}
	return mounts[0].Mountpoint, nil
}

func newInstance(cgroup string) (*instance, error) {
	root, err := cgroupRoot()
	if err != nil {
		return nil, err
	}
	i := &instance{cgroup: filepath.Clean(cgroup)}
	if cgroup == "" {
		i.cgroup = root
	}
	below, err := filepath.Rel(root, i.cgroup)
	if err != nil || strings.HasPrefix(below, "..") {
		return nil, fmt.Errorf("cgroup %s is not below %s, where the cgroup v2 tree is mounted", i.cgroup, root)
	}
	i.whole = below == "."
	if !i.whole {
		i.level = uint32(strings.Count(below, "/") + 1)
	}
	var st unix.Stat_t
	if err := unix.Stat(i.cgroup, &st); err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", i.cgroup, err)
	}
	i.id = st.Ino
	if i.netns, err = netnsCookie(); err != nil {
		return nil, err
	}
	space, err := netnsName()
	if err != nil {
		return nil, err
	}
	i.name, i.table = "root-"+space, tableName
	if !i.whole {
		i.name = fmt.Sprintf("%d-%s", i.id, space)
		i.table = fmt.Sprintf("%s_%d", tableName, i.id)
	}
	return i, nil
}

// pin is the path of one of the instance's pinned objects.
func (i *instance) pin(object string) string {
	return filepath.Join(pinFolder, i.name, object)
}

// acquire makes the instance ours, or says that an engine has it.
func (i *instance) acquire() error {
	if err := os.MkdirAll(runFolder, 0o750); err != nil {
		return fmt.Errorf("make the folder for the lock: %w", err)
	}
	f, err := os.OpenFile(i.lockPath(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("another engine filters %s: %w", i.cgroup, err)
	}
	i.lock = f
	return nil
}

func (i *instance) lockPath() string { return filepath.Join(runFolder, i.name+".lock") }

func (i *instance) release() {
	if i.lock != nil {
		os.Remove(i.lockPath())
		i.lock.Close()
		i.lock = nil
	}
}

// netnsCookie is the kernel's number for the network namespace of this thread.
func netnsCookie() (uint64, error) {
	const soNetnsCookie = 71
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, soNetnsCookie)
	if err != nil {
		return 0, fmt.Errorf("read the network namespace's cookie: %w", err)
	}
	return cookie, nil
}

// netnsName tells this thread's network namespace from others in file names.
func netnsName() (string, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return "", fmt.Errorf("look at the network namespace: %w", err)
	}
	return fmt.Sprint(st.Ino), nil
}

// mountBPFFS mounts the file system that pins live in, where it is missing.
func mountBPFFS() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(bpffs, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", bpffs, err)
	}
	if fs.Type != unix.BPF_FS_MAGIC {
		if err := unix.Mount("bpf", bpffs, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
			return fmt.Errorf("mount the BPF file system: %w", err)
		}
	}
	return nil
}
