//go:build linux

package wine

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tc-hib/winres"

	"sallyport.dev/sallyport/firewall/windivert/windiverttest"
)

// helper builds this test for Windows, where it is what TestMain says.
func helper(t testing.TB) string {
	t.Helper()
	file := filepath.Join(build(t), "e2e", "helper.exe")
	cmd := exec.Command("go", "test", "-c", "-o", file, ".")
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the programs that connect: %v\n%s", err, out)
	}
	return file
}

// client is a program in Wine that connects to the server.
type client struct {
	*realWorld
	path string // as Windows names it
}

// install makes a client at a path of drive C, with an icon of one colour.
func (w *realWorld) install(path string, c color.Color) *client {
	w.t.Helper()
	picture := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	draw.Draw(picture, picture.Bounds().Inset(6), image.NewUniform(c), image.Point{}, draw.Src)
	file := w.file(path)
	if err := writeClient(file, w.helper, picture); err != nil {
		w.t.Fatalf("install %s: %v", path, err)
	}
	w.t.Cleanup(func() { os.RemoveAll(filepath.Dir(file)) })
	return &client{w, path}
}

// writeClient writes a copy of a program that has an icon.
func writeClient(file, program string, picture image.Image) error {
	var resources winres.ResourceSet
	icon, err := winres.NewIconFromImages([]image.Image{picture})
	if err != nil {
		return err
	}
	if err := resources.SetIcon(winres.Name("APP"), icon); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	in, err := os.Open(program)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer out.Close()
	return resources.WriteToEXE(out, in)
}

// attempt is a try to connect, while it lasts.
type attempt struct {
	*client
	pid   int // as Windows counts
	began time.Time
	said  chan string
}

// dial has the client try to connect, each time from another port. The stand-in
// sees no sockets: what the client reports of itself becomes the event that
// WinDivert would give the engine, before the client goes on.
func (c *client) dial() attempt {
	w := c.realWorld
	w.t.Helper()
	w.port++
	from := netip.AddrPortFrom(windiverttest.Client, w.port)
	cmd := w.command("wine", c.path, "connect", from.String(), windiverttest.Server.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, write, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { out.Close() })
	cmd.Stdout = write
	begin(w.t, cmd, syscall.SIGKILL)
	write.Close()
	lines := bufio.NewReader(out)
	report, err := lines.ReadString('\n')
	if err != nil {
		w.t.Fatalf("%s says nothing: %v", c.path, err)
	}
	pid, err := strconv.ParseUint(strings.TrimSpace(report), 10, 32)
	if err != nil {
		w.t.Fatalf("%s does not say its process id: %v", c.path, err)
	}
	socket := windiverttest.Message{Kind: "connect", PID: uint32(pid), From: from, To: windiverttest.Server}
	w.network.Say(socket)
	if _, err := fmt.Fprintln(in); err != nil {
		w.t.Fatal(err)
	}
	a := attempt{c, int(pid), time.Now(), make(chan string, 1)}
	go func() {
		said, err := io.ReadAll(lines)
		if err != nil {
			said = fmt.Append(said, err)
		}
		socket.Kind = "close"
		w.network.Say(socket)
		a.said <- strings.TrimSpace(string(said))
	}()
	return a
}

// hears waits until the attempt has come to an end that is told in words with
// want, and returns how long after since.
func (a attempt) hears(want string, since time.Time) (took time.Duration) {
	a.t.Helper()
	select {
	case said := <-a.said:
		if !strings.Contains(said, want) {
			a.t.Fatalf("%s says %q, want %q", a.path, said, want)
		}
	case <-time.After(patience):
		a.t.Fatalf("%s says nothing within %v, want %q", a.path, patience, want)
	}
	return time.Since(since)
}
