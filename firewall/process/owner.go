package process

import (
	"io"

	"sallyport.dev/sallyport/firewall"
)

// Owner is the installed package that a file belongs to, as the system's
// package database records it.
type Owner struct {
	Manager string // "dpkg" or "rpm"
	Name    string // of the package, with the architecture where several may be installed: "curl", "libc6:amd64"
	Version string // as the manager writes it: "7.88.1-10+deb12u12"

	// Intact tells that the file is what the package put there: a regular file
	// with the recorded digest, that belongs to root together with all folders
	// above it, none of which anybody else may write to. Only root can have
	// made it so, or can change it.
	//
	// The digest of dpkg is MD5. Who chose both files can make two with one
	// MD5, and who made the package could have put either there anyway; nobody
	// can make another file with the MD5 of a given one. Rpm's is SHA-256; what
	// it recorded with MD5 or SHA-1 counts as not recorded, and what with a
	// longer SHA counts as well.
	Intact bool
	// Why says why the file is not Intact: "changed since its package put it
	// there". Empty otherwise.
	Why string
}

// OwnerOf returns the package that the file at path belongs to; ok is false if
// it belongs to none, or if the system has no package database that can be
// read. The path is absolute and without links, as the kernel names an
// executable. It reads the whole file, and now and then much of the database:
// it is not for a packet's way.
func OwnerOf(path string) (owner Owner, ok bool) { return ownerOf(path) }

// ProofOf is what is proven of the file at path, whose content is all, beside
// that: its package, or who signed it, as the system or an AppImage itself says,
// and of which product it is. It is zero if that is nothing. It takes as long as
// to read the file.
func ProofOf(path string, all *io.SectionReader) firewall.Proof { return proofOf(path, all) }
