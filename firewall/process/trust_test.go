package process

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFileIsVerifiedOnceForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, reads := newTrust[string](), atomic.Int32{}
		answers := make(chan Signature)
		for range 5 {
			go func() {
				answers <- files.of("a", func() Signature {
					reads.Add(1)
					time.Sleep(time.Second) // virtual
					return Signature{"Acme", "A"}
				}).wait()
			}()
		}
		for range 5 {
			if s := <-answers; s != (Signature{"Acme", "A"}) {
				t.Errorf("the signature is %+v", s)
			}
		}
		if reads.Load() != 1 {
			t.Errorf("verified %d times", reads.Load())
		}
		if other := files.of("a, changed", func() Signature { return Signature{} }).wait(); other != (Signature{}) {
			t.Errorf("another version has the signature %+v", other)
		}
	})
}

func TestAHugeFileHoldsNobodyUpAndIsKnownTheNextTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := newTrust[string]()
		verify := func() Signature {
			time.Sleep(10 * time.Second) // virtual
			return Signature{"Acme", "A"}
		}
		for range 2 {
			if s, known := files.of("huge", verify).now(); known || s != (Signature{}) {
				t.Errorf("a file that is not verified yet has the signature %+v", s)
			}
		}
		time.Sleep(11 * time.Second) // virtual
		if s, known := files.of("huge", verify).now(); !known || s.Signer != "Acme" {
			t.Errorf("the next time it is %+v, %v", s, known)
		}
	})
}

func TestTheTrustInFilesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := newTrust[int]()
		for i := range 2*maxTrusted + 1 {
			files.of(i, func() Signature { return Signature{} })
		}
		if len(files.files) > maxTrusted {
			t.Errorf("%d files are remembered", len(files.files))
		}
	})
}

func TestAFileThatWasNotTrustedIsVerifiedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, now := newTrust[string](), Signature{}
		verify := func() Signature { return now }
		files.of("a", verify).wait()
		now = Signature{"Acme", "A"}
		if s := files.of("a", verify).wait(); s != (Signature{}) {
			t.Errorf("at once it is %+v", s)
		}
		time.Sleep(distrust) // virtual
		if s := files.of("a", verify).wait(); s != now {
			t.Errorf("later it is %+v", s)
		}
		now = Signature{}
		time.Sleep(distrust) // virtual
		if s := files.of("a", verify).wait(); s.Signer != "Acme" {
			t.Errorf("what is trusted is verified again: %+v", s)
		}
	})
}
