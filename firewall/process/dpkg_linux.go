package process

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxOwned files are indexed, of about 30 bytes each; a desktop with 3,000
	// packages has 400,000. Those beyond belong to no package.
	maxOwned = 2_000_000
	// maxRecord is how large a file of the database may be, in bytes.
	maxRecord = 64 << 20
	// settling is how fresh a change may look while another one, within the
	// same tick of the file system's clock, could look the same.
	settling = time.Second
)

// dpkg is the package database of Debian and its descendants. Which package
// has a path is indexed; the digests are read from the package's own record
// when they are asked for.
type dpkg struct {
	root, admin string
	mu          sync.Mutex
	stamp       dpkgStamp
	index       *dpkgIndex
}

// dpkgStamp is when the parts of the database changed: dpkg replaces the files
// of each by renaming.
type dpkgStamp [4]struct {
	inode        uint64
	size, change int64 // ctime in nanoseconds
}

func newDpkg(root string) *dpkg {
	return &dpkg{root: root, admin: filepath.Join(root, "var/lib/dpkg")}
}

func (d *dpkg) find(path string) (recorded, bool) {
	index, err := d.current()
	if err != nil {
		return recorded{}, false
	}
	path = index.aliases.real(path)
	for _, p := range index.owners(path) {
		if r, ok := d.read(index, p, path); ok {
			return r, true
		}
	}
	return recorded{}, false
}

// current returns an index of the database as it is now.
func (d *dpkg) current() (*dpkgIndex, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	stamp, err := d.look()
	if err != nil {
		d.index = nil
		return nil, err
	}
	if d.index != nil && stamp == d.stamp {
		return d.index, nil
	}
	d.index, err = readDpkg(d.root, d.admin)
	d.stamp = stamp
	if stamp.youngerThan(now.Add(-settling), now) {
		d.stamp = dpkgStamp{} // read again at the next question
	}
	return d.index, err
}

func (d *dpkg) look() (s dpkgStamp, err error) {
	for i, name := range []string{"info", "status", "updates", "diversions"} {
		var st unix.Stat_t
		err := unix.Stat(filepath.Join(d.admin, name), &st)
		if err != nil && (i < 2 || !errors.Is(err, fs.ErrNotExist)) {
			return s, err
		}
		s[i].inode, s[i].size, s[i].change = st.Ino, st.Size, st.Ctim.Nano()
	}
	return s, nil
}

// youngerThan tells whether a part changed between two times.
func (s dpkgStamp) youngerThan(from, to time.Time) bool {
	for _, part := range s {
		if part.change >= from.UnixNano() && part.change <= to.UnixNano() {
			return true
		}
	}
	return false
}

// read returns what the package records of a path; ok is false if it has no
// such file: two paths may have one hash.
func (d *dpkg) read(index *dpkgIndex, p dpkgPackage, path string) (r recorded, ok bool) {
	r = recorded{Owner: Owner{Manager: "dpkg", Name: p.name, Version: p.version}, path: path, hash: md5.New}
	if p.unpacking {
		r.Why = "its package is being installed"
	}
	record := filepath.Join(d.admin, "info", p.name)
	sums, err := readBounded(record + ".md5sums")
	if err == nil {
		for line := range bytes.Lines(sums) {
			if digest, recorded, valid := parseSum(line); valid && index.place(p, recorded) == path {
				r.digest = digest
				return r, true
			}
		}
	}
	list, err := readBounded(record + ".list")
	if err != nil {
		return r, false
	}
	for line := range bytes.Lines(list) {
		if index.place(p, string(bytes.TrimSuffix(line, []byte("\n")))) == path {
			return r, true
		}
	}
	return r, false
}

// parseSum reads a line of a package's md5sums: 32 hexadecimal digits, two
// characters, and the path without its first slash.
func parseSum(line []byte) (digest []byte, path string, ok bool) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	const digits = 2 * md5.Size
	if len(line) < digits+3 || line[digits] != ' ' || line[digits+1] != ' ' && line[digits+1] != '*' {
		return nil, "", false
	}
	digest = make([]byte, md5.Size)
	if _, err := hex.Decode(digest, line[:digits]); err != nil {
		return nil, "", false
	}
	path = strings.TrimPrefix(string(line[digits+2:]), "./")
	return digest, "/" + path, path != "" && path[0] != '/'
}

func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxRecord {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("too large")}
	}
	b := make([]byte, info.Size()) // dpkg replaces its files, and does not write into them
	_, err = io.ReadFull(file, b)
	return b, err
}
