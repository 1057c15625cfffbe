package link

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Microsoft/go-winio"

	"sallyport.dev/sallyport/ui"
)

func TestMain(m *testing.M) {
	if address := os.Getenv("SALLYPORT_TEST_PEER"); address != "" {
		os.Exit(peerMain(address))
	}
	os.Exit(m.Run())
}

// quiet is an engine that only tells that it runs.
type quiet struct{ ui.Control }

func (quiet) Status(context.Context) (ui.Status, error) { return ui.Status{Running: true}, nil }
func (quiet) Answer(context.Context, ui.Answer) error   { return nil }
func (quiet) Watch(ctx context.Context, _ func(ui.Event)) error {
	<-ctx.Done()
	return nil
}

// pipeName is a name for one test, of the kind that the engine has.
func pipeName() string {
	return localPipe + `ProtectedPrefix\Administrators\sallyport-test-` + rand.Text()
}

// serveQuiet serves an engine until the test ends.
func serveQuiet(t *testing.T, a Access) (address string) {
	t.Helper()
	address = pipeName()
	l, err := Listen(address, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- (&Server{Control: quiet{}, Access: a}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return address
}

// peerMain plays a peer in a process of its own, and prints what it may.
func peerMain(address string) int {
	client := NewClient(address)
	if os.Getenv("SALLYPORT_TEST_DESKTOP") != "" {
		if err := Hide(); err != nil {
			fmt.Println("hide", err)
			return 1
		}
		client = NewDesktopClient(address, "")
	}
	_, err := client.Status(context.Background())
	fmt.Println("status:", err)
	fmt.Println("answer:", client.Answer(context.Background(), ui.Answer{ID: "x"}))
	if os.Getenv("SALLYPORT_TEST_WAIT") != "" {
		os.Stdin.Read(make([]byte, 1))
	}
	return 0
}

func TestAnEngineAnswersThroughThePipe(t *testing.T) {
	address := serveQuiet(t, Access{GID: -1, LoggedOn: true})
	client := NewClient(address)
	if s, err := client.Status(t.Context()); err != nil || !s.Running {
		t.Fatalf("status: %+v, %v", s, err)
	}
	// A body of many pipe buffers arrives whole, one beyond the bound is refused.
	if err := client.Answer(t.Context(), ui.Answer{ID: strings.Repeat("x", maxRequest/2)}); err != nil {
		t.Errorf("a long answer: %v", err)
	}
	if err := client.Answer(t.Context(), ui.Answer{ID: strings.Repeat("x", maxRequest)}); !errors.Is(err, ui.ErrInvalid) {
		t.Errorf("an answer that is too long: %v", err)
	}
	if _, err := Listen(address, Access{GID: -1}); !errors.Is(err, ErrRunning) {
		t.Errorf("a second engine: %v", err)
	}
}

func TestPeersThatHangUpDisturbNobody(t *testing.T) {
	address := serveQuiet(t, Access{GID: -1, LoggedOn: true})
	var hasty sync.WaitGroup
	for range 4 {
		hasty.Go(func() {
			for range 100 {
				if c, err := dial(t.Context(), address); err == nil {
					c.Close()
				}
			}
		})
	}
	hasty.Wait()
	if s, err := NewClient(address).Status(t.Context()); err != nil || !s.Running {
		t.Errorf("status: %+v, %v", s, err)
	}
}

func TestAPipeWithoutAnEngineIsGone(t *testing.T) {
	if _, err := NewClient(pipeName()).Status(t.Context()); !errors.Is(err, ui.ErrGone) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no engine: %v", err)
	}
	for _, address := range []string{`\\elsewhere\pipe\sallyport`, `C:\sallyport.sock`, localPipe} {
		if _, err := NewClient(address).Status(t.Context()); !errors.Is(err, ui.ErrInvalid) {
			t.Errorf("%s: %v", address, err)
		}
		if _, err := Listen(address, Access{}); !errors.Is(err, ui.ErrInvalid) {
			t.Errorf("listen on %s: %v", address, err)
		}
	}
}

// TestAPipeOfAnOrdinaryProgramIsNotTalkedTo has one that took the name first.
func TestAPipeOfAnOrdinaryProgramIsNotTalkedTo(t *testing.T) {
	address := pipeName()
	l, err := winio.ListenPipe(address, &winio.PipeConfig{SecurityDescriptor: "O:BUG:BUD:(A;;GA;;;WD)"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan int, 1)
	go func() {
		defer close(heard)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetReadDeadline(time.Now().Add(time.Second))
			if n, _ := c.Read(make([]byte, 1)); n > 0 {
				heard <- n
			}
			c.Close()
		}
	}()
	if _, err := NewClient(address).Status(t.Context()); !errors.Is(err, ui.ErrRefused) || !strings.Contains(err.Error(), "not the engine's") {
		t.Errorf("status: %v", err)
	}
	if _, err := Listen(address, Access{GID: -1}); err == nil || errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), "another program took its name") {
		t.Errorf("an engine: %v", err)
	}
	l.Close()
	if n := <-heard; n > 0 {
		t.Error("something was sent to it")
	}
}

func TestThePipeNamesItsPeer(t *testing.T) {
	address := pipeName()
	l, err := Listen(address, Access{GID: -1, LoggedOn: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type accepted struct {
		net.Conn
		error
	}
	came := make(chan accepted, 1)
	go func() {
		c, err := l.Accept()
		came <- accepted{c, err}
	}()
	c, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a := <-came
	if a.error != nil {
		t.Fatal(a.error)
	}
	p := a.Conn.(*conn).peer
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if p.PID != os.Getpid() || !strings.EqualFold(p.Program, self) || p.UID != -1 || !strings.HasPrefix(p.User, "S-1-") || p.Started == 0 || !p.alive() {
		t.Errorf("the peer is %+v", p)
	}
	a.Conn.Close()
	if p.alive() {
		t.Error("a process that nobody holds on to is alive")
	}
	if startTicks(p.PID) != p.Started || startTicks(0x7ffffffc) != 0 {
		t.Error("it started at another time, or a process that is none did")
	}
}
