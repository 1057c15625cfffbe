package process

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Running is a process as a backend met it.
type Running struct {
	firewall.Program
	Started time.Time
	// Stamp is that of the program's file, and Read reads it. They are zero unless
	// the program is an executable.
	Stamp firewall.Stamp
	Read  firewall.Reading
	// Runs is what the program runs if it is an interpreter, as long as it is the
	// one at its path; nil if it is none.
	Runs *firewall.Program
	// Verified is closed when it is known who signed the program, which Signed
	// then returns. Both are nil if the program says it already.
	Verified <-chan struct{}
	Signed   func() Signature
}

// Sign returns it with who signed the program, if that is known by now.
func (r Running) Sign() Running {
	if r.Verified == nil {
		return r
	}
	select {
	case <-r.Verified:
		s := r.Signed()
		r.Signer, r.Product = s.Signer, s.Product
		r.Verified, r.Signed = nil, nil
	default:
	}
	return r
}
