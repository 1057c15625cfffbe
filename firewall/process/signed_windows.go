package process

import (
	"io"

	"sallyport.dev/sallyport/firewall"
)

// signatures are those of all executables that were asked about.
var signatures = newTrust[signedFile]()

// signedFile is one version of the file at a path.
type signedFile struct {
	path  string
	stamp firewall.Stamp
}

// signature is who signed the file, if the system has verified that, and the
// product that it says to be.
func (f file) signature() *trusted {
	return signatures.of(signedFile{f.path, f.stamp}, func() Signature {
		// A file of its own, since who asks may not wait for it.
		own, err := openFile(longPath(f.path))
		if err != nil {
			return Signature{}
		}
		defer own.close()
		signer, err := own.signer()
		if err != nil {
			return Signature{}
		}
		// The texts are read by path: it must still be the file that was verified.
		texts := textsOf(own.path)
		again, err := openFile(longPath(f.path))
		if err != nil {
			return Signature{}
		}
		defer again.close()
		if own.stamp != f.stamp || again.stamp != f.stamp {
			return Signature{}
		}
		return Signature{signer, texts.product}
	})
}

// proofOf has the system verify the signature of the file, which it reads by
// itself.
func proofOf(path string, _ *io.SectionReader) firewall.Proof {
	f, err := openFile(longPath(path))
	if err != nil || f.path != path {
		return firewall.Proof{}
	}
	defer f.close()
	s := f.signature().wait()
	if s.Signer == "" || s.Product == "" {
		return firewall.Proof{}
	}
	return firewall.Proof{Signer: s.Signer, Product: s.Product}
}
