package netfilter

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

const (
	lookEvery   = time.Minute            // for files that came or were replaced
	lookAtOnce  = 256                    // files that are open at a time
	lookFor     = 500 * time.Millisecond // at one file, before its mount counts as dead
	prepareWait = time.Second            // for the first look, before the firewall is ready
	applyWait   = 50 * time.Millisecond  // for a look at what rules name anew
)

// preparer tells the kernel about the programs that rules name before they
// run, so that their first attempt is decided there, also after a crash.
type preparer struct {
	identities *identities
	cache      *cache
	judge      judge
	wake       chan struct{}

	mu     sync.Mutex
	paths  []string
	waits  []chan struct{} // closed when all paths have been looked at
	stamps map[string]fileStamp
	dead   map[string]bool // mounts at which a look has not ended
}

// fileStamp tells whether a file is still the same; zero is none.
type fileStamp struct {
	device, inode uint64
	changed       unix.Timespec
}

// look is one look at some files.
type look struct {
	paths []string
	done  chan struct{}

	mu        sync.Mutex
	at        string // the file that is looked at
	count     int    // of the files so far
	abandoned bool
}

func newPreparer(i *identities, c *cache, judge judge) *preparer {
	return &preparer{
		identities: i, cache: c, judge: judge,
		wake:   make(chan struct{}, 1),
		stamps: make(map[string]fileStamp), dead: make(map[string]bool),
	}
}

// want says which paths rules name now, also those of interpreters that they
// name with scripts; it returns a channel that is closed once they have been
// looked at.
func (p *preparer) want(paths []string) <-chan struct{} {
	looked := make(chan struct{})
	p.mu.Lock()
	p.paths = paths
	p.waits = append(p.waits, looked)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return looked
}

// run looks at the files until ctx ends. Only what is new or was replaced is
// opened.
func (p *preparer) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	all := true
	for {
		due, waits := p.due(all)
		for len(due) > 0 {
			l := &look{paths: due[:min(lookAtOnce, len(due))], done: make(chan struct{})}
			go p.look(l)
			switch {
			case l.ends(ctx):
				due = due[len(l.paths):]
			case ctx.Err() != nil:
				l.abandon()
				return
			default:
				due = without(due, p.bury(l))
			}
		}
		for _, looked := range waits {
			close(looked)
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
			all = false
		case <-tick.C:
			all = true
		}
	}
}

// due lists the paths to look at, all or those never looked at, with who waits
// for that, and forgets those that are named no more.
func (p *preparer) due(all bool) (due []string, waits []chan struct{}) {
	p.mu.Lock()
	stamps := make(map[string]fileStamp, len(p.paths))
	waits, p.waits = p.waits, nil
	for _, path := range p.paths {
		stamp, ok := p.stamps[path]
		if ok {
			stamps[path] = stamp
		}
		if all || !ok {
			due = append(due, path)
		}
	}
	p.stamps = stamps
	dead := make([]string, 0, len(p.dead))
	for mount := range p.dead {
		dead = append(dead, mount)
	}
	p.mu.Unlock()
	for _, mount := range dead {
		due = without(due, mount)
	}
	return due, waits
}

// without leaves out what is below a mount.
func without(paths []string, mount string) (others []string) {
	for _, path := range paths {
		if path != mount && !strings.HasPrefix(path, strings.TrimSuffix(mount, "/")+"/") {
			others = append(others, path)
		}
	}
	return others
}

// bury gives a look up that does not end, and returns the mount that holds it
// up. Nobody looks at its files until it answers.
func (p *preparer) bury(l *look) (mount string) {
	at := l.abandon()
	mounts, _ := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		within := strings.HasPrefix(at, strings.TrimSuffix(m.Mountpoint, "/")+"/")
		return !within, false
	})
	for _, m := range mounts {
		if len(m.Mountpoint) >= len(mount) {
			mount = m.Mountpoint
		}
	}
	if mount == "" {
		mount = at
	}
	p.mu.Lock()
	p.dead[mount] = true
	p.mu.Unlock()
	go func() {
		<-l.done
		p.mu.Lock()
		delete(p.dead, mount)
		p.mu.Unlock()
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}()
	return mount
}

// next says that a file is looked at now, and tells whether to go on.
func (l *look) next(path string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = path
	l.count++
	return !l.abandoned
}

// ends waits for the end of a look as long as it gets on.
func (l *look) ends(ctx context.Context) bool {
	for before := -1; ; {
		select {
		case <-l.done:
			return true
		case <-ctx.Done():
			return false
		case <-time.After(lookFor):
		}
		l.mu.Lock()
		now := l.count
		l.mu.Unlock()
		if now == before {
			return false
		}
		before = now
	}
}

func (l *look) abandon() (at string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abandoned = true
	return l.at
}

// look finds out which files are at the paths.
func (p *preparer) look(l *look) {
	opened := make(map[int]string)
	stamps := make(map[string]fileStamp)
	defer close(l.done)
	defer func() {
		for fd := range opened {
			unix.Close(fd)
		}
	}()
	for _, path := range l.paths {
		if !l.next(path) {
			return
		}
		var st unix.Stat_t
		if filepath.IsAbs(path) { // not in a container, which has its own when it runs
			unix.Lstat(path, &st) // an error leaves it zero: no file
		}
		stamp := fileStamp{st.Dev, st.Ino, st.Ctim}
		p.mu.Lock()
		before, ok := p.stamps[path]
		p.mu.Unlock()
		if ok && before == stamp {
			continue
		}
		stamps[path] = stamp
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			if fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err == nil {
				opened[fd] = path
				continue
			}
		}
		p.cache.found(path, kernelFileAt{}, p.judge)
	}
	files, err := p.identities.open(opened)
	if err != nil {
		return // looked at again the next time
	}
	if p.identities.interpreters.list(slices.Collect(maps.Values(opened))...) != nil {
		return
	}
	for fd, path := range opened {
		// By way of a symbolic link it is the program of another path.
		f, ok := files[fd]
		if !ok || f.Path == 0 {
			delete(stamps, path)
			continue
		}
		key := kernelFileAt{}
		if f.Path == pathHash(path) {
			key = fileAt(f.Program, path)
		}
		p.cache.found(path, key, p.judge)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, stamp := range stamps {
		p.stamps[path] = stamp
	}
}
