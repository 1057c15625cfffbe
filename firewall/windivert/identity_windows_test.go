package windivert

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Programs that really run, of files that really change; what they send is made
// up.
func TestARealFileThatIsReplacedIsAskedAbout(t *testing.T) {
	dir, err := os.MkdirTemp("", "identity")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.exe")
	t.Cleanup(func() { os.Remove(path); os.Remove(dir) })
	place := func(from string) {
		content, err := os.ReadFile(filepath.Join("..", "process", "testdata", "signed", from))
		if err == nil {
			err = os.WriteFile(path, content, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	place("signed.exe")
	if path, err = filepath.EvalSymlinks(path); err != nil {
		t.Fatal(err)
	}
	w := newWorld(ipv4World)
	w.orderly, w.identifies = true, newSystem().identify
	story(t, w, func(s *site) {
		dial := func() (*socket, func()) {
			c := exec.Command(path)
			in, err := c.StdinPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			conn := w.dial(uint32(c.Process.Pid), w.destination(0))
			s.wait(10 * time.Second)
			return conn, func() { in.Close(); c.Wait() }
		}
		conn, end := dial()
		s.expect(conn, "open")
		end()
		place("signed.exe")
		conn, end = dial()
		s.expect(conn, "open")
		s.unasked()
		end()
		place("next.exe")
		conn, end = dial()
		defer end()
		s.expect(conn, "held")
		if p := s.asked(); p.Kind != firewall.Changed || p.Path != path || len(p.File) != len("sha256:")+64 {
			t.Errorf("asked about %+v", p)
		}
		s.accept()
		s.expect(conn, "open")
	}, firewall.Rule{ID: "a", Program: path, Verdict: firewall.Allow})
}
