package process

// signatures are those of all executables that were asked about.
var signatures = newTrust[signedFile]()

// signedFile is one version of the file at a path.
type signedFile struct {
	path string
	version
}

// signature is who signed the file, if the system has verified that, and the
// product that it says to be. It is zero while that is still being verified.
func (f file) signature() Signature {
	s, _ := signatures.of(signedFile{f.path, f.version}, func() Signature {
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
		if own.version != f.version || again.version != f.version {
			return Signature{}
		}
		return Signature{signer, texts.product}
	})
	return s
}
