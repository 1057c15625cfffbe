package firewall

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Stamp tells, without reading it, whether a file is the one that it was: who
// writes to a file, replaces or renames it changes its stamp, and only the
// system's administrator can undo that. The zero Stamp is no file's.
type Stamp struct {
	Device     uint32
	Generation uint32 // tells files apart that had the same inode one after the other
	Inode      uint64
	Changed    int64 // when content or attributes changed last (ctime), in ns since 1970

	// What Windows tells besides, where who may write to a file may set its times.
	Size    int64 // in bytes
	Written int64 // when content changed last, in ns since 1970
	Number  int64 // the volume's number of the file's last change (USN); 0 where it counts none
}

// String is short, and another one for every stamp.
func (s Stamp) String() string {
	text := fmt.Sprintf("%d:%d:%d:%d", s.Device, s.Inode, s.Generation, s.Changed)
	if s.Size != 0 || s.Written != 0 || s.Number != 0 {
		text += fmt.Sprintf(":%d:%d:%d", s.Size, s.Written, s.Number)
	}
	return text
}

// Proof is what proves that a file is a certain program. Empty fields prove
// nothing.
type Proof struct {
	// SHA256 is the digest of the content, in hexadecimal.
	SHA256 string
	// Package is the package that has the file, as in "dpkg:curl": the system's
	// database of packages has its digest, and only root can write to it.
	// Version is that of the package; it proves nothing.
	Package, Version string
	// Signer and Product are those of a verified signature: of one that the system
	// trusts, or of an AppImage, where they are the key, "OpenPGP key 0A1B…", and
	// where it says that its next version is.
	Signer, Product string
}

// Content tells whether both prove the same content.
func (p Proof) Content(o Proof) bool { return p.SHA256 != "" && p.SHA256 == o.SHA256 }

// Continues tells whether what p proves is a version of the program that
// before proves: of the same package, or of the same signer and product.
func (p Proof) Continues(before Proof) bool {
	return p.Package != "" && p.Package == before.Package ||
		p.Signer != "" && p.Product != "" && p.Signer == before.Signer && p.Product == before.Product
}

// Identity is the program that the rules for a path or a script were made for.
type Identity struct {
	Program string // its ID: a path, or "script:FAMILY:SCRIPT" or "script:PATH:SCRIPT"
	Proof   Proof  // zero until the file has been read
	Stamp   Stamp  // of the file that the proof is of; any other is read first
	Since   time.Time
	// Before is the proof of the file that was there before this one, which
	// continues it, took its place. Zero if none did.
	Before Proof
	// From is the program that had that file, if it was another one: another
	// version at its own path.
	From string
	// Strict: a person took back that another version took the place; only the
	// same content counts, until they accept another.
	Strict bool
}

// Reading has f read the file that has a certain stamp, and fails if it has
// another, before or after that.
type Reading func(ctx context.Context, f func(*io.SectionReader) error) error

// Identify says as which program an [Executable] or a script counts that a
// backend met: as itself, or as one that [Changed]. The stamp, and what is read,
// are of the file at its Path, or of its Script, together with the file at its
// Path where that is [Program].Replaceable. It returns at once. settled is nil
// if this is certain, and is closed when it is or does not get so; asking again
// then gives the answer. read may be called later, from any goroutine.
type Identify func(met Program, s Stamp, read Reading) (p Program, settled <-chan struct{})
