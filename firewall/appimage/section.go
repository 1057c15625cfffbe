package appimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

const (
	maxSections = 256
	maxNames    = 1 << 16 // bytes of their names
	maxSection  = 1 << 16 // bytes of one that is read; those of the format have at most 8,192
)

// section is a part of a file.
type section struct{ offset, size int64 }

// read reads a section up to its first zero byte.
func (s section) read(file io.ReaderAt) ([]byte, error) {
	if s.size > maxSection {
		return nil, errors.New("it is too large")
	}
	b := make([]byte, s.size)
	if _, err := file.ReadAt(b, s.offset); err != nil && err != io.EOF {
		return nil, err
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return b, nil
}

// layout is where a kind of ELF has what is needed here: a table with an entry
// for each section, and in each the name, place and size. See elf(5).
type layout struct {
	wide                    bool // numbers have eight bytes
	table, entry            int  // in the head: where the table is, and how long an entry
	offset, size, entrySize int  // in an entry, which is as long at least
}

var (
	elf32 = layout{false, 0x20, 0x2e, 0x10, 0x14, 40}
	elf64 = layout{true, 0x28, 0x3a, 0x18, 0x20, 64}
)

func (l layout) number(b []byte) uint64 {
	if l.wide {
		return binary.LittleEndian.Uint64(b)
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// sectionsOf are the sections of those names of an ELF file of little endian.
// Nothing in the file is trusted: each has a place in it and no other has its
// name.
func sectionsOf(file io.ReaderAt, size int64, names ...string) (map[string]section, error) {
	malformed := errors.New("malformed")
	head := make([]byte, 64)
	if _, err := file.ReadAt(head, 0); err != nil || head[5] != 1 {
		return nil, malformed
	}
	l := elf64
	if head[4] == 1 {
		l = elf32
	}
	half := func(at int) int { return int(binary.LittleEndian.Uint16(head[at:])) }
	table, entry, count, ofNames := l.number(head[l.table:]), half(l.entry), half(l.entry+2), half(l.entry+4)
	if entry < l.entrySize || count > maxSections || ofNames >= count || table > uint64(size) {
		return nil, malformed
	}
	entries := make([]byte, entry*count)
	if _, err := file.ReadAt(entries, int64(table)); err != nil {
		return nil, malformed
	}
	at := func(n int) (s section, ok bool) {
		e := entries[n*entry:]
		offset, length := l.number(e[l.offset:]), l.number(e[l.size:])
		return section{int64(offset), int64(length)}, offset <= uint64(size) && length <= uint64(size)-offset
	}
	s, ok := at(ofNames)
	if !ok || s.size > maxNames {
		return nil, malformed
	}
	text := make([]byte, s.size)
	if _, err := file.ReadAt(text, s.offset); err != nil {
		return nil, malformed
	}
	all := make(map[string]section)
	for n := range count {
		start := binary.LittleEndian.Uint32(entries[n*entry:])
		if uint64(start) >= uint64(len(text)) {
			return nil, malformed
		}
		name, _, _ := bytes.Cut(text[start:], []byte{0})
		if !slices.Contains(names, string(name)) {
			continue
		}
		s, ok := at(n)
		if _, twice := all[string(name)]; !ok || twice {
			return nil, malformed
		}
		all[string(name)] = s
	}
	return all, nil
}
