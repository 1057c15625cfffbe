package names

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Paths are the files that name the system's resolvers: the C library's, and
// the ones in which systemd-resolved and NetworkManager keep the resolvers
// that their own stub asks.
var Paths = []string{
	"/etc/resolv.conf",
	"/run/systemd/resolve/resolv.conf",
	"/run/NetworkManager/no-stub-resolv.conf",
}

const (
	// maxFile bounds what is read of one file, in bytes.
	maxFile = 64 << 10
	// interval is the time between two looks at the files.
	interval = 2 * time.Second
)

// Resolvers knows the configured DNS resolvers. All methods may be called from
// any goroutine.
type Resolvers struct {
	paths []string

	mu      sync.Mutex
	stamps  []stamp
	addrs   map[netip.Addr]bool
	checked time.Time
	reads   int // of the files, so far
}

// stamp tells two versions of a file apart; the zero stamp is no file.
type stamp struct {
	size     int64
	modified time.Time
	file     os.FileInfo
}

// NewResolvers reads the resolvers from the files, [Paths] if none are given.
// A file that cannot be read names none.
func NewResolvers(paths ...string) *Resolvers {
	if len(paths) == 0 {
		paths = Paths
	}
	r := &Resolvers{paths: paths, stamps: make([]stamp, len(paths)), addrs: map[netip.Addr]bool{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read()
	return r
}

// IsResolver tells whether the address is a configured resolver. Zones are not
// compared: packets do not carry them. It looks at the files again for an
// address that it does not know, so that a resolver counts from its first
// packet on.
func (r *Resolvers) IsResolver(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.addrs[addr] || time.Since(r.checked) > interval {
		r.refresh()
	}
	return r.addrs[addr]
}

// List returns the configured resolvers in order.
func (r *Resolvers) List() []netip.Addr {
	list, _ := r.current()
	return list
}

func (r *Resolvers) current() (list []netip.Addr, reads int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.list(), r.reads
}

// Watch calls changed with the resolvers at once, and again within two seconds
// each time a file changed, until ctx ends; also if all is as it was before.
func (r *Resolvers) Watch(ctx context.Context, changed func([]netip.Addr)) {
	known, reads := r.current()
	changed(known)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now, n := r.current(); n != reads {
			reads = n
			changed(now)
		}
	}
}

func (r *Resolvers) list() []netip.Addr {
	addrs := make([]netip.Addr, 0, len(r.addrs))
	for a := range r.addrs {
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}

// refresh reads the files again if one of them changed.
func (r *Resolvers) refresh() {
	r.checked = time.Now()
	for i, path := range r.paths {
		if !sameVersion(r.stamps[i], stampOf(path)) {
			r.read()
			return
		}
	}
}

func (r *Resolvers) read() {
	r.checked = time.Now()
	r.reads++
	r.addrs = map[netip.Addr]bool{}
	for i, path := range r.paths {
		// The stamp is older than what is read: a change in between is seen next time.
		r.stamps[i] = stampOf(path)
		for _, a := range readFile(path) {
			r.addrs[a] = true
		}
	}
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime(), info}
}

func sameVersion(a, b stamp) bool {
	if a.file == nil || b.file == nil {
		return a.file == nil && b.file == nil
	}
	return a.size == b.size && a.modified.Equal(b.modified) && os.SameFile(a.file, b.file)
}

func readFile(path string) []netip.Addr {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil
	}
	return parseResolvers(text)
}

// parseResolvers reads the nameserver lines of a resolv.conf(5), without zones.
func parseResolvers(text []byte) []netip.Addr {
	var addrs []netip.Addr
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxFile+1)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			addrs = append(addrs, a.Unmap().WithZone(""))
		}
	}
	return addrs
}
