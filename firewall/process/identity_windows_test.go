package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/identity"
)

// soon is how long something may take before a test fails.
const soon = time.Minute

// knowing is a prover that knows the programs at some paths, and what it told.
type knowing struct {
	*testing.T
	*identity.Prover

	mu      sync.Mutex
	named   []string
	carried []firewall.Identity
}

func know(t *testing.T, named ...string) *knowing {
	k := &knowing{T: t, named: named}
	told := func(i firewall.Identity) { k.mu.Lock(); defer k.mu.Unlock(); k.carried = append(k.carried, i) }
	k.Prover = identity.New(nil, identity.Options{
		Named:   func(path string) bool { k.mu.Lock(); defer k.mu.Unlock(); return slices.Contains(k.named, path) },
		Keep:    func(firewall.Identity) {},
		Owner:   ProofOf,
		Carried: told,
		Moved: func(_ string, i firewall.Identity) {
			told(i)
			k.mu.Lock()
			k.named = append(k.named, i.Program)
			k.mu.Unlock()
			k.Put(i)
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Prover.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return k
}

// run starts the file at a path, and says as which program its process counts
// once everything is settled.
func (k *knowing) run(path string) firewall.Program {
	k.Helper()
	c := exec.Command(path)
	c.Env = append(os.Environ(), "PROCESS_TEST_CHILD=1")
	in, err := c.StdinPipe()
	if err != nil {
		k.Fatal(err)
	}
	if err := c.Start(); err != nil {
		k.Fatal(err)
	}
	defer func() {
		in.Close()
		c.Wait()
	}()
	r := Identify(c.Process.Pid, nobody, time.Now())
	if r.Kind != firewall.Executable {
		k.Fatalf("%s is %+v", path, r)
	}
	if r.Verified != nil {
		within(k.T, "its signature is verified", r.Verified)
		r = r.Sign()
	}
	_, settled := k.Identify(r.Program, r.Stamp, r.Read)
	if settled != nil {
		within(k.T, "its file is read", settled)
	}
	p, _ := k.Identify(r.Program, r.Stamp, r.Read)
	return p
}

func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(soon):
		t.Fatalf("%s: not within %s", what, soon)
	}
}

// read waits until the file at path has been read.
func (k *knowing) read(path string) {
	k.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(soon); ; {
		if i, _ := k.Identity(path); i.Proof.SHA256 != "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			k.Fatalf("%s was not read", path)
		}
	}
}

// place puts a copy of a file of the test's at a path, as an update does.
func place(t *testing.T, from, path string) {
	t.Helper()
	copyFile(t, from, path+".new")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

const signedFiles = "testdata/signed/"

// stored is a path as the file system has it.
func stored(t *testing.T, path string) string {
	t.Helper()
	f, err := openFile(longPath(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	return f.path
}

func TestAnotherFileAtAPathIsAnotherProgram(t *testing.T) {
	self, _ := os.Executable()
	path := filepath.Join(folder(t), "a.exe")
	place(t, self, path)
	path = stored(t, path)
	k := know(t, path)
	if p := k.run(path); p.Kind != firewall.Executable {
		t.Fatalf("met first, it is %+v", p)
	}
	k.read(path)
	place(t, self, path)
	if p := k.run(path); p.Kind != firewall.Executable {
		t.Errorf("the same content is %+v", p)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1]++ // of one size
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if p := k.run(path); p.Kind != firewall.Changed || len(p.File) != len("sha256:")+64 {
		t.Errorf("another file is %+v", p)
	}
}

func TestANewVersionOfASignedProgramIsCarriedOver(t *testing.T) {
	if !trusting(t) {
		return
	}
	path := filepath.Join(folder(t), "a.exe")
	place(t, signedFiles+"signed.exe", path)
	path = stored(t, path)
	k := know(t, path)
	if p := k.run(path); p.Kind != firewall.Executable || p.Signer != testSigner || p.Product != testProduct {
		t.Fatalf("met first, it is %+v", p)
	}
	k.read(path)
	place(t, signedFiles+"next.exe", path)
	if p := k.run(path); p.Kind != firewall.Executable || p.Signer != testSigner {
		t.Fatalf("the next version is %+v", p)
	}
	if len(k.carried) != 1 || k.carried[0].Proof.Signer != testSigner || k.carried[0].Proof.Product != testProduct {
		t.Fatalf("carried over: %+v", k.carried)
	}
	place(t, signedFiles+"other.exe", path)
	if p := k.run(path); p.Kind != firewall.Changed || p.Signer != testSigner || p.Product == testProduct {
		t.Errorf("another product is %+v", p)
	}
	content, err := os.ReadFile(signedFiles + "next.exe")
	if err != nil {
		t.Fatal(err)
	}
	content[0x60]++ // of the text that says that it is not for DOS
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	if p := k.run(path); p.Kind != firewall.Changed || p.Signer != "" {
		t.Errorf("a file that was changed since it was signed is %+v", p)
	}
	place(t, signedFiles+"next.exe", path)
	if p := k.run(path); p.Kind != firewall.Executable {
		t.Errorf("the next version is %+v", p)
	}
	if err := k.Undo(path, func(is ...firewall.Identity) error { k.Put(is[0]); return nil }); err != nil {
		t.Fatal(err)
	}
	if p := k.run(path); p.Kind != firewall.Changed {
		t.Errorf("undone, the next version is %+v", p)
	}
	place(t, signedFiles+"signed.exe", path)
	if p := k.run(path); p.Kind != firewall.Executable {
		t.Errorf("undone, the version before is %+v", p)
	}
}

// A folder with a version in its name proves nothing, a signature does.
func TestAVersionInAnotherFolderIsCarriedOverIfItIsSigned(t *testing.T) {
	if !trusting(t) {
		return
	}
	self, _ := os.Executable()
	for from, carried := range map[string]bool{signedFiles + "next.exe": true, signedFiles + "other.exe": false, self: false} {
		top := folder(t, "app-1.2.3")
		old := filepath.Join(top, "x.exe")
		next := filepath.Join(filepath.Dir(top), "app-1.2.4", "x.exe")
		if err := os.Mkdir(filepath.Dir(next), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(filepath.Dir(next)) })
		t.Cleanup(func() { os.Remove(next) })
		place(t, signedFiles+"signed.exe", old)
		place(t, from, next)
		old, next = stored(t, old), stored(t, next)
		k := know(t, old)
		k.run(old)
		k.read(old)
		if p := k.run(next); p.Kind != firewall.Executable {
			t.Errorf("%s is %+v", next, p)
		}
		i, known := k.Identity(next)
		if known != carried || len(k.carried) != 0 != carried || carried && (i.From != old || i.Proof.Signer != testSigner) {
			t.Errorf("%s: known %v, %+v; carried over: %+v", from, known, i, k.carried)
		}
	}
}
