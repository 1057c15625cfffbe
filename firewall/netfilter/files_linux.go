package netfilter

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// fileAt is what the kernel knows a program by before it runs.
func fileAt(p kernelProgram, path string) kernelFileAt {
	return kernelFileAt{Ctime: p.Ctime, Number: p.Number, Device: p.Device, Generation: p.Generation, Path: pathHash(path)}
}

// program is what is known of the program before it runs.
func (f kernelFileAt) program() kernelProgram {
	return kernelProgram{Ctime: f.Ctime, Number: f.Number, Device: f.Device, Generation: f.Generation}
}

// pathHash is the kernel side's hash of a path; see mix in identity.h.
func pathHash(path string) (hash uint64) {
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	slices.Reverse(names)
	b := []byte(strings.Join(names, "\x00") + "\x00")
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	for ; len(b) > 0; b = b[8:] {
		hash = (hash ^ binary.LittleEndian.Uint64(b)) * 0x9e3779b97f4a7c15
		hash ^= hash >> 32
	}
	return hash
}

// ofFile is the verdict about a program as a whole, if there is one: not of an
// interpreter while rules name scripts.
func (c *cache) ofFile(path string, key kernelFileAt, judge judge) (v kernelVerdict, ok bool) {
	if c.interprets(path) {
		return v, false
	}
	p := c.proven(firewall.Program{Kind: firewall.Executable, Path: path}, key.program())
	a := firewall.Attempt{Program: p, UID: -1, Time: time.Now()}
	d, ok := judge(a)
	if !ok || d.Scope != firewall.ThisProgram || d.Bounds.Process || d.Bounds.Host || d.Bounds.Zone {
		return v, false
	}
	v = c.verdict(d)
	v.Epoch = 0 // the kernel counts it in every epoch, until it is changed here
	return v, true
}

// filed tells the kernel the verdict about a program that rules name.
func (c *cache) filed(path string, key kernelFileAt, judge judge) {
	if c.resting() {
		return
	}
	v, ok := c.ofFile(path, key, judge)
	old, had := c.files[key]
	switch {
	case ok && (!had || old != v):
		if c.k.Files.Put(&key, &v) == nil {
			c.files[key] = v
		}
	case !ok && had:
		c.k.Files.Delete(&key)
		delete(c.files, key)
	}
}

// found says which file is at a path that rules name; the zero key: none.
func (c *cache) found(path string, key kernelFileAt, judge judge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.named[path]
	if !ok {
		return // named no more
	}
	if old != key {
		c.unfile(old)
	}
	c.named[path] = key
	if key != (kernelFileAt{}) {
		c.filed(path, key, judge)
	}
}

func (c *cache) unfile(key kernelFileAt) {
	if _, ok := c.files[key]; ok {
		c.k.Files.Delete(&key)
		delete(c.files, key)
	}
}

// learnt notes the file of a program that just ran, and tells whether the
// kernel has its verdict by its file.
func (c *cache) learnt(key kernelProgram, p firewall.Program, v kernelVerdict) bool {
	if p.Kind != firewall.Executable {
		return false
	}
	old, ok := c.named[p.Path]
	if !ok {
		return false
	}
	now := fileAt(key, p.Path)
	if old != now {
		c.unfile(old)
		c.named[p.Path] = now
	}
	v.Epoch = 0
	if have, ok := c.files[now]; ok && have == v {
		return true
	}
	if c.k.Files.Put(&now, &v) != nil {
		return false
	}
	c.files[now] = v
	return true
}

// names puts the paths that rules name in the place of those of before, and
// judges the programs again of which the files are known. It tells whether
// there are new ones.
func (c *cache) names(paths []string, judge judge) (anew bool) {
	c.mu.Lock()
	gone := make(map[string]bool, len(c.named))
	for path := range c.named {
		gone[path] = true
	}
	for _, path := range paths {
		delete(gone, path)
		if _, ok := c.named[path]; !ok {
			c.named[path] = kernelFileAt{}
			anew = true
		}
	}
	for path := range gone {
		c.unfile(c.named[path])
		delete(c.named, path)
	}
	c.mu.Unlock()
	for part := range slices.Chunk(paths, chunk) {
		c.mu.Lock()
		for _, path := range part {
			if key := c.named[path]; key != (kernelFileAt{}) {
				c.filed(path, key, judge)
			}
		}
		c.mu.Unlock()
	}
	return anew
}

// takeFiles judges the programs again that an engine before prepared, by their
// paths alone: their files may be out of reach just now.
func (c *cache) takeFiles(paths []string, judge judge) error {
	byHash := make(map[uint64]string, len(paths))
	for _, path := range paths {
		byHash[pathHash(path)] = path
	}
	return each(c.k.Files, func(key kernelFileAt, v kernelVerdict) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.files[key] = v
		path, ok := byHash[key.Path]
		if !ok {
			c.unfile(key)
			return
		}
		if old := c.named[path]; old != (kernelFileAt{}) && old != key {
			c.unfile(key)
			return
		}
		c.named[path] = key
		c.filed(path, key, judge)
	})
}
