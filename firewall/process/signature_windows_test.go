package process

import (
	"crypto/sha1"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

const (
	testSigner  = "Sallyport Test Signer"
	testProduct = "Sallyport Test Product"
)

// signerOfFile verifies a file anew, whatever is remembered of it.
func signerOfFile(t *testing.T, path string) (string, error) {
	t.Helper()
	f, err := openFile(longPath(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	return f.signer()
}

func signedCopy(t *testing.T) string {
	t.Helper()
	path := filepath.Join(folder(t), "signed.exe")
	copyFile(t, "testdata/signed/signed.exe", path)
	return path
}

func TestASignatureThatNobodyTrustsIsNone(t *testing.T) {
	path := signedCopy(t)
	if name, err := signerOfFile(t, path); err == nil || name != "" {
		t.Errorf("signed by %q: %v", name, err)
	}
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if s := f.signature().wait(); s != (Signature{}) {
		t.Errorf("the signature is %+v", s)
	}
	if got := textsOf(path); got.product != testProduct || got.description != "A program that does nothing" {
		t.Errorf("the file says %+v", got)
	}
}

func TestAProgramWithoutASignatureHasNoSigner(t *testing.T) {
	self, _ := os.Executable()
	if name, err := signerOfFile(t, self); err == nil || name != "" {
		t.Errorf("signed by %q: %v", name, err)
	}
}

// trusting tells whether Wine trusts the root of the test in this process; if it
// does not, the test has run in another one in which it does. A person's
// Windows is left as it is.
func trusting(t *testing.T) bool {
	t.Helper()
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() != nil {
		t.Skip("this is not Wine: the roots of this computer are not changed")
	}
	if os.Getenv("PROCESS_TEST_TRUST") != "" {
		return true
	}
	trustRoot(t) // a process learns but once whom to trust
	self, _ := os.Executable()
	c := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), "PROCESS_TEST_TRUST=1")
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func TestASignatureThatTheSystemTrustsNamesTheSigner(t *testing.T) {
	if !trusting(t) {
		return
	}
	path := signedCopy(t)
	if name, err := signerOfFile(t, path); err != nil || name != testSigner {
		t.Fatalf("signed by %q: %v", name, err)
	}
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if s := f.signature().wait(); s != (Signature{testSigner, testProduct}) {
		t.Errorf("the signature is %+v", s)
	}

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/3]++
	tampered := filepath.Join(filepath.Dir(path), "tampered.exe")
	if err := os.WriteFile(tampered, content, 0o755); err != nil {
		t.Fatal(err)
	}
	if name, err := signerOfFile(t, tampered); err == nil || name != "" {
		t.Errorf("a file that was changed since is signed by %q: %v", name, err)
	}
}

func trustRoot(t *testing.T) {
	t.Helper()
	der, err := os.ReadFile("testdata/signed/root.cer")
	if err != nil {
		t.Fatal(err)
	}
	root, err := windows.CertCreateCertificateContext(windows.X509_ASN_ENCODING, &der[0], uint32(len(der)))
	if err != nil {
		t.Fatal(err)
	}
	name, _ := windows.UTF16PtrFromString("Root")
	store, err := windows.CertOpenStore(windows.CERT_STORE_PROV_SYSTEM_W, 0, 0, windows.CERT_SYSTEM_STORE_LOCAL_MACHINE, uintptr(unsafe.Pointer(name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // Wine keeps in its registry what is deleted from the store
		sum := sha1.Sum(der)
		if err := registry.DeleteKey(registry.LOCAL_MACHINE, fmt.Sprintf(`Software\Microsoft\SystemCertificates\Root\Certificates\%X`, sum)); err != nil {
			t.Error(err)
		}
	})
	if err := windows.CertAddCertificateContextToStore(store, root, windows.CERT_STORE_ADD_ALWAYS, nil); err != nil {
		t.Error(err)
	}
	windows.CertCloseStore(store, 0) // which writes it
}
