package netfilter

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lookEvery   = time.Minute           // for files that came or were replaced
	lookAtOnce  = 256                   // files that are open at a time
	lookFor     = 2 * time.Second       // at so many files, before they are left to themselves
	maxStuck    = 4                     // looks that a dead network mount may hold up
	prepareWait = time.Second           // for the first look, before the firewall is ready
	applyWait   = 50 * time.Millisecond // for a look at what rules name anew
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
	stuck  map[string]bool // a look at these has not ended
}

// fileStamp tells whether a file is still the same; zero is none.
type fileStamp struct {
	device, inode uint64
	changed       unix.Timespec
}

func newPreparer(i *identities, c *cache, judge judge) *preparer {
	return &preparer{
		identities: i, cache: c, judge: judge,
		wake:   make(chan struct{}, 1),
		stamps: make(map[string]fileStamp), stuck: make(map[string]bool),
	}
}

// want says which paths rules name now; it returns a channel that is closed
// once they have been looked at.
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
	looks := make(chan struct{}, maxStuck) // one for each look that goes on
	for {
		due, waits := p.due(all)
		for part := range slices.Chunk(due, lookAtOnce) {
			select {
			case looks <- struct{}{}:
			default:
				continue // too many hang already
			}
			done := make(chan struct{})
			p.mark(part, true)
			go func() {
				p.look(part)
				p.mark(part, false)
				<-looks
				close(done)
			}()
			select {
			case <-done:
			case <-time.After(lookFor):
			case <-ctx.Done():
				return
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
	defer p.mu.Unlock()
	stamps := make(map[string]fileStamp, len(p.paths))
	waits, p.waits = p.waits, nil
	for _, path := range p.paths {
		stamp, ok := p.stamps[path]
		if ok {
			stamps[path] = stamp
		}
		if !p.stuck[path] && (all || !ok) {
			due = append(due, path)
		}
	}
	p.stamps = stamps
	return due, waits
}

func (p *preparer) mark(paths []string, stuck bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, path := range paths {
		if stuck {
			p.stuck[path] = true
		} else {
			delete(p.stuck, path)
		}
	}
}

// look finds out which files are at the paths.
func (p *preparer) look(paths []string) {
	opened := make(map[int]string)
	stamps := make(map[string]fileStamp)
	defer func() {
		for fd := range opened {
			unix.Close(fd)
		}
	}()
	for _, path := range paths {
		var st unix.Stat_t
		unix.Lstat(path, &st) // an error leaves it zero: no file
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
