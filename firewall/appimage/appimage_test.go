package appimage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// part is a section of a file that is made here.
type part struct {
	name    string
	content []byte
}

// elf makes a file with sections, which says that it is an AppImage, and a
// payload behind them, as the format has it.
func elf(class byte, payload string, parts ...part) []byte {
	l := elf64
	if class == 1 {
		l = elf32
	}
	put := func(b []byte, n int) {
		if l.wide {
			binary.LittleEndian.PutUint64(b, uint64(n))
		} else {
			binary.LittleEndian.PutUint32(b, uint32(n))
		}
	}
	head := make([]byte, 64)
	copy(head, "\x7fELF")
	head[4], head[5] = class, 1
	copy(head[8:], "AI\x02")
	names := "\x00"
	body := head
	entries := make([]byte, l.entrySize)
	add := func(name string, content []byte) {
		e := make([]byte, l.entrySize)
		binary.LittleEndian.PutUint32(e, uint32(len(names)))
		put(e[l.offset:], len(body))
		put(e[l.size:], len(content))
		names += name + "\x00"
		body, entries = append(body, content...), append(entries, e...)
	}
	for _, p := range parts {
		add(p.name, p.content)
	}
	add(".shstrtab", []byte(names+".shstrtab\x00"))
	put(body[l.table:], len(body))
	binary.LittleEndian.PutUint16(body[l.entry:], uint16(l.entrySize))
	binary.LittleEndian.PutUint16(body[l.entry+2:], uint16(len(parts)+2))
	binary.LittleEndian.PutUint16(body[l.entry+4:], uint16(len(parts)+1))
	return append(append(body, entries...), payload...)
}

// unsigned makes an AppImage with room for a signature.
func unsigned(class byte, update, payload string) []byte {
	return elf(class, payload, part{".upd_info", append([]byte(update), make([]byte, 512)...)}, part{".sha256_sig", make([]byte, 1024)}, part{".sig_key", make([]byte, 8192)})
}

// maker has a key.
type maker struct {
	*testing.T
	home string
}

func newMaker(t *testing.T) maker {
	t.Helper()
	for _, tool := range []string{"gpg", "gpgconf"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(err)
		} else if err != nil {
			t.Skip(err)
		}
	}
	home, err := os.MkdirTemp("", "gpg") // a short path: its agent listens on a socket there
	if err != nil {
		t.Fatal(err)
	}
	m := maker{t, home}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	m.gpg("", "--quick-gen-key", "Maker <maker@example.org>", "ed25519", "sign", "never")
	return m
}

func (m maker) gpg(input string, arguments ...string) string {
	m.Helper()
	c := exec.Command("gpg", append([]string{"--homedir", m.home, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, arguments...)...)
	c.Stdin = strings.NewReader(input)
	var says bytes.Buffer
	c.Stderr = &says
	out, err := c.Output()
	if err != nil {
		m.Fatalf("gpg %v: %v: %s", arguments, err, says.String())
	}
	return string(out)
}

func (m maker) fingerprint() string {
	m.Helper()
	for line := range strings.Lines(m.gpg("", "--with-colons", "--list-keys")) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	m.Fatal("no key")
	return ""
}

// sign signs an AppImage as its tool does.
func (m maker) sign(image []byte, how ...string) []byte {
	m.Helper()
	sum := sha256.Sum256(image)
	signature := m.gpg(hex.EncodeToString(sum[:]), append(how, "--armor", "--detach-sign")...)
	return fill(m.T, fill(m.T, image, ".sha256_sig", signature), ".sig_key", m.gpg("", "--armor", "--export"))
}

// fill is an image with a section filled.
func fill(t *testing.T, image []byte, name, content string) []byte {
	t.Helper()
	sections, err := sectionsOf(bytes.NewReader(image), int64(len(image)), name)
	if err != nil || int64(len(content)) > sections[name].size {
		t.Fatalf("%s has no room: %v", name, err)
	}
	image = bytes.Clone(image)
	clear(image[sections[name].offset:][:sections[name].size])
	copy(image[sections[name].offset:], content)
	return image
}

func verify(image []byte) (Made, error) { return Verify(bytes.NewReader(image), int64(len(image))) }

const update = "gh-releases-zsync|maker|web|latest|Web-*.AppImage.zsync"

func TestASignedAppImageIsOfTheMakerOfItsKey(t *testing.T) {
	m := newMaker(t)
	for _, class := range []byte{1, 2} {
		for _, how := range [][]string{nil, {"--textmode"}, {"--digest-algo", "SHA512"}} {
			for _, payload := range []string{"version 1", "version 2"} {
				made, err := verify(m.sign(unsigned(class, update, payload), how...))
				if want := (Made{m.fingerprint(), update}); err != nil || made != want {
					t.Errorf("it is of %+v, %v, want %+v", made, err, want)
				}
			}
		}
	}
}

func TestAnAppImageThatIsNotAsItWasSignedIsOfNobody(t *testing.T) {
	m, evil := newMaker(t), newMaker(t)
	good := m.sign(unsigned(2, update, "version 1"))
	end := len(good) - 1
	longer := append(bytes.Clone(good), 'x')
	other := bytes.Clone(good)
	other[end] ^= 1
	says := bytes.Replace(good, []byte("|web|"), []byte("|wed|"), 1)
	forged := fill(t, evil.sign(unsigned(2, update, "version 1")), ".sig_key", m.gpg("", "--armor", "--export"))
	both := fill(t, evil.sign(unsigned(2, update, "version 1")), ".sig_key", m.gpg("", "--armor", "--export")+evil.gpg("", "--armor", "--export"))
	for name, image := range map[string][]byte{
		"longer": longer, "other": other, "shorter": good[:end], "says that it is another": says,
		"signed by another": forged, "signed with SHA-1": m.sign(unsigned(2, update, "1"), "--digest-algo", "SHA1"),
		"with a key and no signature": fill(t, good, ".sha256_sig", ""), "with no key": fill(t, good, ".sig_key", ""),
		"without update information":   m.sign(unsigned(2, "", "1")),
		"unsigned":                     unsigned(2, update, "1"),
		"with strange update":          m.sign(unsigned(2, "a\nb", "1")),
		"with two keys, the other's":   both,
		"with sections twice":          elf(2, "", part{".upd_info", []byte(update)}, part{".upd_info", []byte(update)}, part{".sha256_sig", []byte("x")}, part{".sig_key", []byte("x")}),
		"no AppImage":                  bytes.Replace(good, []byte("AI\x02"), []byte("AI\x01"), 1),
		"a head only":                  good[:64],
		"with a key of no known bytes": fill(t, good, ".sig_key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"),
	} {
		if made, err := verify(image); err == nil || made != (Made{}) {
			t.Errorf("%s: it is of %+v", name, made)
		}
	}
	if _, err := verify(unsigned(2, update, "1")); !errors.Is(err, ErrUnsigned) {
		t.Error(err)
	}
}

// Whoever puts their own key below another's, which did not sign it, is not
// the other.
func TestAKeyThatAnotherDidNotTakeInIsNotTheirs(t *testing.T) {
	m, evil := newMaker(t), newMaker(t)
	evil.gpg("", "--quick-add-key", evil.fingerprint(), "ed25519", "sign", "never")
	dearmor := func(by maker) []byte { return []byte(by.gpg("", "--export")) }
	subkey := dearmor(evil)
	at := bytes.LastIndex(subkey, []byte{0xb8, 0x33, 4}) // a subkey of 51 bytes, version 4
	if at < 0 {
		t.Fatalf("no subkey in %x", subkey)
	}
	joined := append(dearmor(m), subkey[at:]...)
	image := evil.sign(unsigned(2, update, "1"))
	if made, err := verify(image); err != nil || made.Key != evil.fingerprint() {
		t.Fatalf("it is of %+v, %v", made, err)
	}
	var text bytes.Buffer
	w, err := armor.Encode(&text, "PGP PUBLIC KEY BLOCK", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(joined)
	w.Close()
	if made, err := verify(fill(t, image, ".sig_key", text.String())); err == nil {
		t.Errorf("it is of %+v", made)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(unsigned(2, update, "1"))
	f.Add(unsigned(1, update, "1"))
	f.Add(elf(2, "x", part{".upd_info", []byte(update)}, part{".sha256_sig", []byte("-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n")},
		part{".sig_key", []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n")}))
	f.Fuzz(func(t *testing.T, image []byte) {
		if made, err := verify(image); err == nil && (made.Key == "" || made.Update == "") {
			t.Errorf("it is of %+v", made)
		}
	})
}
