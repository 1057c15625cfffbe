package link

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

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
