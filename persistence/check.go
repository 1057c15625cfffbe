package persistence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// A bbolt file, as go.etcd.io/bbolt/internal/common lays it out, in the byte
// order of the machine: pages with a header of id u64, flags u16, count u16,
// overflow u32. bbolt's own check reads mapped memory on a goroutine of its
// own: a bad page faults, recurses or panics where nobody can catch it. This
// check only reads, and visits each page once.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	pageHeader  = 16
	pageBranch  = 0x01
	pageLeaf    = 0x02
	pageFree    = 0x10
	noFreelist  = ^uint64(0)
	maxDepth    = 64 // a tree of 2^64 pages with two keys each is not deeper
)

var errNotBolt = errors.New("it is not a database of Sallyport")

var order = binary.NativeEndian

// checker walks the pages of a file.
type checker struct {
	file  io.ReaderAt
	size  uint64 // of a page, bytes
	pages uint64 // that the file claims to have
	used  []bool // pages met
	n     uint64 // how many of used are true
}

type bolt struct{ pageSize, root, freelist, pages, txid uint64 }

// checkFile tells whether bbolt can read the file at path: each page is used
// once, keys ascend, and nothing points outside. It returns [ErrNewer] for a
// file of a later bbolt.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return checkBolt(f, uint64(info.Size()))
}

func checkBolt(f io.ReaderAt, size uint64) error {
	m, err := readMeta(f, size)
	if err != nil {
		return err
	}
	if m.pages < 4 || m.pages > size/m.pageSize {
		return fmt.Errorf("it is cut off: %d bytes, %d pages", size, m.pages)
	}
	c := &checker{file: f, size: m.pageSize, pages: m.pages, used: make([]bool, m.pages), n: 2}
	c.used[0], c.used[1] = true, true
	if err := c.tree(m.root, nil, nil, 0); err != nil {
		return err
	}
	if err := c.freelist(m.freelist); err != nil {
		return err
	}
	if c.n != m.pages {
		return fmt.Errorf("%d pages are lost", m.pages-c.n)
	}
	return nil
}

// readMeta returns the newer of the two valid meta pages.
func readMeta(f io.ReaderAt, size uint64) (bolt, error) {
	var best bolt
	var newer, found bool
	for at := uint64(0); at <= 1<<24 && at+80 <= size; at = max(1024, at*2) {
		b := make([]byte, 80)
		if _, err := f.ReadAt(b, int64(at)); err != nil {
			return best, err
		}
		b = b[pageHeader:]
		h := fnv.New64a()
		h.Write(b[:56])
		if order.Uint32(b) != boltMagic || order.Uint64(b[56:]) != h.Sum64() {
			continue
		}
		if order.Uint32(b[4:]) > boltVersion {
			newer = true
			continue
		}
		m := bolt{uint64(order.Uint32(b[8:])), order.Uint64(b[16:]), order.Uint64(b[32:]), order.Uint64(b[40:]), order.Uint64(b[48:])}
		if m.pageSize < 1024 || m.pageSize > 1<<24 || m.pageSize&(m.pageSize-1) != 0 || at != 0 && at != m.pageSize {
			continue
		}
		if !found || m.txid > best.txid {
			best, found = m, true
		}
	}
	switch {
	case newer:
		return best, fmt.Errorf("its storage format is unknown: %w", ErrNewer)
	case !found:
		return best, errNotBolt
	}
	return best, nil
}

// page reads a page with its overflow and marks it used.
func (c *checker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.pages {
		return nil, fmt.Errorf("page %d does not exist", id)
	}
	head := make([]byte, pageHeader)
	if _, err := c.file.ReadAt(head, int64(id*c.size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	if order.Uint64(head) != id {
		return nil, fmt.Errorf("page %d calls itself %d", id, order.Uint64(head))
	}
	last := id + uint64(order.Uint32(head[12:]))
	if last >= c.pages {
		return nil, fmt.Errorf("page %d reaches beyond the end", id)
	}
	for i := id; i <= last; i++ {
		if err := c.use(i); err != nil {
			return nil, err
		}
	}
	b := make([]byte, (last-id+1)*c.size)
	if _, err := c.file.ReadAt(b, int64(id*c.size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return b, nil
}

func (c *checker) use(id uint64) error {
	if id >= c.pages || c.used[id] {
		return fmt.Errorf("page %d is used twice", id)
	}
	c.used[id] = true
	c.n++
	return nil
}

// tree checks the pages from id down; keys are from low on and below high.
func (c *checker) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d lies too deep", id)
	}
	b, err := c.page(id)
	if err != nil {
		return err
	}
	if err := c.node(b, low, high, depth); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// node checks a leaf or branch page, which may lie inside a bucket's value.
func (c *checker) node(b []byte, low, high []byte, depth int) error {
	if len(b) < pageHeader {
		return errors.New("too short")
	}
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != pageBranch && flags != pageLeaf {
		return fmt.Errorf("unexpected kind %#x", flags)
	}
	if pageHeader+16*count > len(b) {
		return fmt.Errorf("%d elements do not fit", count)
	}
	if flags == pageBranch && count == 0 {
		return errors.New("a branch without children")
	}
	keys, children := make([][]byte, count), []uint64(nil)
	for i := range count {
		at := pageHeader + 16*i
		e := b[at:]
		var pos, klen, vlen uint64
		if flags == pageLeaf {
			pos, klen, vlen = uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
		} else {
			pos, klen = uint64(order.Uint32(e)), uint64(order.Uint32(e[4:]))
			children = append(children, order.Uint64(e[8:]))
		}
		start := uint64(at) + pos
		if pos < uint64(16*(count-i)) || klen == 0 || start+klen+vlen > uint64(len(b)) {
			return fmt.Errorf("element %d lies outside", i)
		}
		keys[i] = b[start : start+klen]
		if low != nil && bytes.Compare(keys[i], low) < 0 || high != nil && bytes.Compare(keys[i], high) >= 0 {
			return fmt.Errorf("key %d is out of order", i)
		}
		if i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0 {
			return fmt.Errorf("key %d is out of order", i)
		}
		if flags == pageLeaf {
			switch kind := order.Uint32(e); kind {
			case 0:
			case 1:
				if err := c.bucket(b[start+klen:start+klen+vlen], depth); err != nil {
					return fmt.Errorf("bucket %q: %w", keys[i], err)
				}
			default:
				return fmt.Errorf("element %d has the unknown kind %#x", i, kind)
			}
		}
	}
	for i, child := range children {
		next := high
		if i+1 < count {
			next = keys[i+1]
		}
		if err := c.tree(child, keys[i], next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket's value: its root page, its sequence, and if there is
// no root page, a small page in its place.
func (c *checker) bucket(v []byte, depth int) error {
	if len(v) < 16 {
		return errors.New("too short")
	}
	if root := order.Uint64(v); root != 0 {
		return c.tree(root, nil, nil, depth+1)
	}
	if len(v) < 16+pageHeader || order.Uint16(v[16+8:]) != pageLeaf {
		return errors.New("its inner page makes no sense")
	}
	return c.node(v[16:], nil, nil, depth+1)
}

// freelist checks the list of free pages.
func (c *checker) freelist(id uint64) error {
	if id == noFreelist {
		return errors.New("there is no list of free pages")
	}
	b, err := c.page(id)
	if err != nil {
		return err
	}
	if order.Uint16(b[8:]) != pageFree {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	n, ids := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if n == 0xFFFF {
		n, ids = order.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids))/8 {
		return errors.New("the list of free pages is cut off")
	}
	last := uint64(1)
	for i := range n {
		free := order.Uint64(ids[8*i:])
		if free <= last {
			return errors.New("the list of free pages is out of order")
		}
		last = free
		if err := c.use(free); err != nil {
			return err
		}
	}
	return nil
}
