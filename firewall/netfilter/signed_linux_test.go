package netfilter_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// maker has a key to sign AppImages with.
type maker struct {
	w    *world
	home string
}

func (w *world) maker() maker {
	w.t.Helper()
	home, err := os.MkdirTemp("", "gpg") // a short path: its agent listens on a socket there
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	m := maker{w, home}
	m.gpg("", "--quick-gen-key", "Maker <maker@example.org>", "ed25519", "sign", "never")
	return m
}

func (m maker) gpg(input string, arguments ...string) []byte {
	m.w.t.Helper()
	c := exec.Command("gpg", append([]string{"--homedir", m.home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, arguments...)...)
	c.Stdin = strings.NewReader(input)
	var says bytes.Buffer
	c.Stderr = &says
	out, err := c.Output()
	if err != nil {
		m.w.t.Fatalf("gpg %v: %v: %s", arguments, err, says.String())
	}
	return out
}

// sign puts an AppImage at a path, as that of [world.appImage], which is a
// version of its own, says where its next version is, and is signed.
func (m maker) sign(name, version, update string) string {
	m.w.t.Helper()
	return m.w.executable(name, m.signed(version, update))
}

func (m maker) signed(version, update string) []byte {
	m.w.t.Helper()
	server, err := exec.LookPath("squashfuse")
	if err != nil {
		m.w.t.Fatal(err)
	}
	folder := m.w.t.TempDir()
	command := []string{server, filepath.Join(folder, "made")}
	for name, content := range map[string][]byte{
		".upd_info": append([]byte(update), make([]byte, 512)...), ".sha256_sig": make([]byte, 1024),
		".sig_key": make([]byte, 8192), ".version": []byte(version),
	} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			m.w.t.Fatal(err)
		}
		command = append([]string{"--add-section", name + "=" + file}, command...)
	}
	m.w.mustRun(exec.Command("objcopy", command...))
	b, err := os.ReadFile(filepath.Join(folder, "made"))
	if err != nil {
		m.w.t.Fatal(err)
	}
	copy(b[8:], "AI\x02")
	sum := sha256.Sum256(b)
	parsed, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		m.w.t.Fatal(err)
	}
	copy(b[parsed.Section(".sha256_sig").Offset:], m.gpg(hex.EncodeToString(sum[:]), "--armor", "--detach-sign"))
	copy(b[parsed.Section(".sig_key").Offset:], m.gpg("", "--armor", "--export"))
	return b
}

func TestANewVersionOfAnAppImageIsCarriedOverIfItIsSignedByTheSameMaker(t *testing.T) {
	world := newWorld(t)
	world.fuse()
	for _, tool := range []string{"gpg", "gpgconf", "objcopy"} {
		world.needs(tool)
	}
	image := world.image(world.program("built"))
	maker, other := world.maker(), world.maker()
	g := world.guard(setup{})
	const update, updateOfOther = "zsync|https://example.org/Web.zsync", "zsync|https://example.org/Mail.zsync"

	web := maker.sign("Web-1.0.AppImage", "1.0", update)
	if p := world.asks(g, world.served(image, web), firewall.Allow, true); p.Kind != firewall.Executable || p.Path != web {
		t.Fatalf("asked about %+v", p)
	}
	g.await("it to be read", func() bool { return g.kept[web].Proof.Signer != "" })
	before := g.kept[web].Proof

	// In its place, and beside it.
	world.rename(maker.sign("new", "1.1", update), web)
	world.connectsSoon(g, world.served(image, web))
	g.await("it to be logged", func() bool { return len(g.carried) == 1 })
	if i := g.carried[0]; i.Program != web || i.Before != before || i.Proof.SHA256 != digest(t, web) || i.Proof.Signer != before.Signer {
		t.Errorf("carried over: %+v", i)
	}
	next := maker.sign("Web-1.2.AppImage", "1.2", update)
	world.connectsSoon(g, world.served(image, next))
	g.await("it to be logged", func() bool { return len(g.carried) == 2 })
	if i := g.carried[1]; i.Program != next || i.From != web {
		t.Errorf("carried over: %+v", i)
	}

	tampered := maker.signed("1.3", update)
	tampered[len(tampered)-1] ^= 1
	for name, path := range map[string]string{
		"another maker's":            other.sign("Web-1.4.AppImage", "1.4", update),
		"another one of its maker's": maker.sign("Web-1.5.AppImage", "1.5", updateOfOther),
		"one that is not signed":     world.appImage("Web-1.6.AppImage"),
		"one that was tampered with": world.executable("Web-1.7.AppImage", tampered),
	} {
		if p := world.asks(g, world.served(image, path), firewall.Block, false); p.Kind != firewall.Executable || p.Path != path {
			t.Errorf("%s counts as %+v", name, p)
		}
		world.shell(`cp "$1" "$1.new"; mv "$1.new" "$2"`, path, next)
		if p := world.asksOfAnother(g, world.served(image, next), next); p.Kind != firewall.Changed {
			t.Errorf("%s in the place of the allowed one counts as %+v", name, p)
		}
	}
	world.rename(maker.sign("new", "1.2", update), next)
	world.connectsSoon(g, world.served(image, next))
}
