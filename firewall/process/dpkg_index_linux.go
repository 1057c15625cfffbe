package process

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// dpkgReaders read packages' lists at once.
const dpkgReaders = 4

// dpkgPackage is an installed package; its name is that of its files in the
// folder info, with the architecture where dpkg has it there.
type dpkgPackage struct {
	name, version string
	unpacking     bool // its files are not all in place
}

// diversion moves the file of every package but one.
type diversion struct{ to, by string }

// dpkgIndex tells which packages may have a path. Paths are kept as hashes,
// since few are ever asked for.
type dpkgIndex struct {
	aliases    aliases
	diversions map[string]diversion
	packages   []dpkgPackage
	seed       maphash.Seed
	first      map[uint64]uint32   // of packages
	more       map[uint64][]uint32 // where several have the path
}

// readDpkg makes the index.
func readDpkg(root, admin string) (*dpkgIndex, error) {
	installed, err := readStatus(admin)
	if err != nil {
		return nil, fmt.Errorf("read the package database: %w", err)
	}
	names, err := filepath.Glob(filepath.Join(admin, "info", "*.list"))
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	x := &dpkgIndex{aliases: aliasesBelow(root), seed: maphash.MakeSeed(), more: map[uint64][]uint32{}}
	if x.diversions, err = readDiversions(admin); err != nil {
		return nil, fmt.Errorf("read the diversions: %w", err)
	}
	for _, file := range names {
		if p, ok := installed[strings.TrimSuffix(filepath.Base(file), ".list")]; ok {
			x.packages = append(x.packages, p)
		}
	}
	hashes := make([][]uint64, len(x.packages))
	var (
		readers sync.WaitGroup
		next    = make(chan int)
	)
	for range dpkgReaders {
		readers.Go(func() {
			for i := range next {
				hashes[i] = x.list(admin, x.packages[i])
			}
		})
	}
	for i := range x.packages {
		next <- i
	}
	close(next)
	readers.Wait()
	x.fill(hashes)
	return x, nil
}

// list returns the hashes of the paths that a package has. The database is
// root's: a list that cannot be read leaves the package without files.
func (x *dpkgIndex) list(admin string, p dpkgPackage) (hashes []uint64) {
	list, err := readBounded(filepath.Join(admin, "info", p.name+".list"))
	if err != nil {
		return nil
	}
	hashes = make([]uint64, 0, bytes.Count(list, []byte("\n")))
	for len(list) > 0 {
		line, rest, _ := bytes.Cut(list, []byte("\n"))
		list = rest
		// What is followed by something in it is a folder.
		if inside, ok := bytes.CutPrefix(rest, line); len(line) == 0 || ok && len(inside) > 0 && inside[0] == '/' {
			continue
		}
		hashes = append(hashes, x.hash(p, line))
	}
	return hashes
}

// hash is that of the place of a path.
func (x *dpkgIndex) hash(p dpkgPackage, path []byte) uint64 {
	if _, moved := x.diversions[string(path)]; moved || x.aliases.change(path) {
		return maphash.String(x.seed, x.place(p, string(path)))
	}
	return maphash.Bytes(x.seed, path)
}

func (x *dpkgIndex) fill(hashes [][]uint64) {
	total := 0
	for _, of := range hashes {
		total += len(of)
	}
	x.first = make(map[uint64]uint32, min(total, maxOwned))
	count := 0
	for i, of := range hashes {
		for _, h := range of {
			if count++; count > maxOwned {
				return
			}
			if _, taken := x.first[h]; taken {
				x.more[h] = append(x.more[h], uint32(i))
			} else {
				x.first[h] = uint32(i)
			}
		}
	}
}

// owners are the packages that have a path, or another one of the same hash.
func (x *dpkgIndex) owners(path string) (owners []dpkgPackage) {
	h := maphash.String(x.seed, path)
	i, ok := x.first[h]
	if !ok {
		return nil
	}
	for _, i := range slices.Insert(slices.Clone(x.more[h]), 0, i) {
		owners = append(owners, x.packages[i])
	}
	return owners
}

// place is where a file is that a package records at a path.
func (x *dpkgIndex) place(p dpkgPackage, path string) string {
	if d, ok := x.diversions[path]; ok {
		if name, _, _ := strings.Cut(p.name, ":"); name != d.by {
			path = d.to
		}
	}
	return x.aliases.real(path)
}

// readStatus returns the packages that are unpacked, by the name of their
// files. What dpkg notes while it works comes after what it noted before.
func readStatus(admin string) (map[string]dpkgPackage, error) {
	status, err := readBounded(filepath.Join(admin, "status"))
	if err != nil {
		return nil, err
	}
	installed := map[string]dpkgPackage{}
	parseStatus(status, installed)
	updates, err := os.ReadDir(filepath.Join(admin, "updates")) // sorted, and named by number
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, update := range updates {
		if strings.Trim(update.Name(), "0123456789") != "" {
			continue
		}
		if b, err := readBounded(filepath.Join(admin, "updates", update.Name())); err == nil {
			parseStatus(b, installed)
		}
	}
	return installed, nil
}

// parseStatus adds the packages of a status file, and removes those that it
// says are gone.
func parseStatus(status []byte, installed map[string]dpkgPackage) {
	for len(status) > 0 {
		var stanza []byte
		stanza, status, _ = bytes.Cut(status, []byte("\n\n"))
		var name, version, architecture, state, multi string
		for line := range bytes.Lines(stanza) {
			key, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(": "))
			switch string(key) {
			case "Package":
				name = string(value)
			case "Version":
				version = string(value)
			case "Architecture":
				architecture = string(value)
			case "Multi-Arch":
				multi = string(value)
			case "Status": // want, flag and state
				state = string(value[bytes.LastIndexByte(value, ' ')+1:])
			}
		}
		delete(installed, name)
		delete(installed, name+":"+architecture)
		if multi == "same" {
			name += ":" + architecture
		}
		switch state {
		case "installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending", "half-installed":
			if name != "" && !strings.Contains(name, "/") {
				installed[name] = dpkgPackage{name, version, state == "half-installed"}
			}
		}
	}
}

// readDiversions reads what dpkg-divert has noted, by the path that packages
// record.
func readDiversions(admin string) (map[string]diversion, error) {
	b, err := readBounded(filepath.Join(admin, "diversions"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return parseDiversions(b), nil
}

// parseDiversions reads three lines for each: from, to, and the package whose
// file stays; ":" is none.
func parseDiversions(b []byte) map[string]diversion {
	diversions := map[string]diversion{}
	lines := strings.Split(string(b), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		diversions[lines[0]] = diversion{lines[1], lines[2]}
	}
	return diversions
}

// aliases are folders that are links to others: packages record files on
// either way, where /bin is /usr/bin.
type aliases []alias

type alias struct{ link, folder string } // both end in a slash

func aliasesBelow(root string) (a aliases) {
	for _, link := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libo32", "/libx32", "/usr/sbin", "/usr/lib64"} {
		to, err := os.Readlink(filepath.Join(root, link))
		if err != nil {
			continue
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(link), to)
		}
		a = append(a, alias{link + "/", filepath.Clean(to) + "/"})
	}
	return a
}

// change tells whether real is another path.
func (a aliases) change(path []byte) bool {
	return slices.ContainsFunc(a, func(one alias) bool {
		return len(path) > len(one.link) && string(path[:len(one.link)]) == one.link
	})
}

// real is the path without such a link.
func (a aliases) real(path string) string {
	for _, one := range a {
		if rest, ok := strings.CutPrefix(path, one.link); ok {
			path = one.folder + rest
		}
	}
	return path
}
