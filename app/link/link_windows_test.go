package link

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

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

var createRestrictedToken = windows.NewLazySystemDLL("advapi32.dll").NewProc("CreateRestrictedToken")

// weaker is this process's token with the administrators' group only to deny.
func weaker(t *testing.T) syscall.Token {
	t.Helper()
	var own, less windows.Token
	if err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_ALL_ACCESS, &own); err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	sid, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		t.Fatal(err)
	}
	deny := windows.SIDAndAttributes{Sid: sid}
	if ok, _, err := createRestrictedToken.Call(uintptr(own), 0, 1, uintptr(unsafe.Pointer(&deny)), 0, 0, 0, 0, uintptr(unsafe.Pointer(&less))); ok == 0 {
		t.Fatalf("make a weaker token: %v", err)
	}
	t.Cleanup(func() { less.Close() })
	return syscall.Token(less)
}

func TestAnOrdinaryPeerMayNotAnswerFromATerminal(t *testing.T) {
	address := serveQuiet(t, Access{GID: -1, LoggedOn: true})
	for _, desktop := range []string{"", "yes"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER="+address, "SALLYPORT_TEST_DESKTOP="+desktop)
		cmd.SysProcAttr = &syscall.SysProcAttr{Token: weaker(t)}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		said := string(out)
		if !strings.Contains(said, "status: <nil>") {
			t.Errorf("it may not read: %s", said)
		}
		want := "this needs an administrator: run it from a terminal that was started as administrator"
		switch {
		case desktop != "" && os.Getenv("SALLYPORT_TEST_INSTALLED") != "":
			if !strings.Contains(said, "answer: <nil>") {
				t.Errorf("the desktop program may not answer: %s", said)
			}
			continue
		case desktop != "": // the test's program lies in a folder of the person
			want = "these windows can only show: "
		}
		if !strings.Contains(said, "answer: not permitted: "+want) {
			t.Errorf("it may answer, or is not told why not: %s", said)
		}
	}
}

func TestAProcessThatHidIsClosed(t *testing.T) {
	address := serveQuiet(t, Access{GID: -1, LoggedOn: true})
	if err := isHidden(os.Getpid()); err == nil {
		t.Error("an ordinary process is closed")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER="+address, "SALLYPORT_TEST_DESKTOP=yes", "SALLYPORT_TEST_WAIT=yes")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := isHidden(cmd.Process.Pid); err != nil {
		t.Errorf("it hid, but %v", err)
	}
}

// TestTheInstalledDesktopProgramAnswers plays engine and peers from a folder
// that only administrators can change.
func TestTheInstalledDesktopProgramAnswers(t *testing.T) {
	programs, err := windows.KnownFolderPath(windows.FOLDERID_ProgramFiles, 0)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(programs, "sallyport-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sallyport.exe")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-test.run=^TestAnOrdinaryPeerMayNotAnswerFromATerminal$", "-test.v")
	cmd.Env = append(os.Environ(), "SALLYPORT_TEST_INSTALLED=yes")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v: %s", err, out)
	}
}
