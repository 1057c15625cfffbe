package windivert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	divert "github.com/imgk/divert-go"
	"golang.org/x/sys/windows"
)

// roleVariable has this program be another than the test: what a process does
// once, or what kills it, needs one of its own.
const roleVariable = "SALLYPORT_TEST_ROLE"

func init() {
	switch role := os.Getenv(roleVariable); role {
	case "":
		return
	case "open twice":
		for range 2 {
			_, err := winDivert{}.open("true", layerNetwork, 100, 0)
			fmt.Println(err)
		}
	case "hold":
		h, err := winDivert{}.open("true", layerNetwork, 100, 0)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for err == nil {
			_, _, err = h.receive(make([]byte, maxPacket))
		}
	default:
		fmt.Println("no such role:", role)
		os.Exit(2)
	}
	os.Exit(0)
}

// inRole is the program at path in a role.
func inRole(path, role string) *exec.Cmd {
	c := exec.Command(path)
	c.Env = append(os.Environ(), roleVariable+"="+role)
	return c
}

func TestWhatAKilledProgramHeldGoesOn(t *testing.T) {
	s := newStandIn(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := inRole(self, "hold")
	var said strings.Builder
	c.Stdout = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	s.await("the other program receives", reading)
	s.inject(numbered(0))
	if gone := s.drain(); len(gone) > 0 {
		t.Errorf("it was not held: %v", gone)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.await("its handle is closed", func(open []openHandle) bool { return len(open) == 0 })
	// What it had received is lost, what comes now passes: without an engine WinDivert is open.
	s.inject(numbered(1))
	if gone := s.drain(); len(gone) != 1 {
		t.Errorf("%d packets left, want 1 (it said: %s)", len(gone), said.String())
	} else {
		same(t, gone[0], numbered(1))
	}
}

func TestADriverThatWasStoppedIsStartedAgain(t *testing.T) {
	t.Run("first", func(t *testing.T) { newStandIn(t).open(layerNetwork, 100, 0) })
	if _, err := RemoveDriver(); err != nil {
		t.Fatal(err)
	}
	s := newStandIn(t)
	s.open(layerNetwork, 100, 0)
	if open := s.handles(); len(open) != 1 {
		t.Errorf("open: %+v", open)
	}
}

func TestAnEarlierServiceNamesOurDriverInTheEnd(t *testing.T) {
	newStandIn(t)
	path, err := beside(driverFile)
	if err != nil {
		t.Fatal(err)
	}
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_ALL_ACCESS)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseServiceHandle(manager)
	name, _ := windows.UTF16PtrFromString("SallyportTest")
	elsewhere, _ := windows.UTF16PtrFromString(`C:\elsewhere\WinDivert64.sys`)
	service, err := windows.CreateService(manager, name, name, windows.SERVICE_ALL_ACCESS, windows.SERVICE_KERNEL_DRIVER,
		windows.SERVICE_DEMAND_START, windows.SERVICE_ERROR_NORMAL, elsewhere, nil, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseServiceHandle(service)
	defer windows.DeleteService(service)
	for range 2 { // the second time there is nothing to change
		if err := nameBinary(service, path); err != nil {
			t.Fatal(err)
		}
		if got, err := serviceBinary(service); err != nil || !strings.EqualFold(got, path) {
			t.Errorf("the service names %s (%v), want %s", got, err, path)
		}
	}
}

func TestAnErrorSaysWhatToDo(t *testing.T) {
	for _, test := range []struct {
		err  error
		hint string
	}{
		{divert.ErrAccessDenied, "administrator"},
		{windows.ERROR_ACCESS_DENIED, "administrator"},
		{divert.ErrFileNotFound, "install the program again"},
		{divert.ErrInvalidImageHash, "signature"},
		{divert.ErrDriverBlocked, "security software"},
		{divert.ErrDriverFailedPriorUnload, "older WinDivert"},
		{divert.ErrNotRegistered, "Base Filtering Engine"},
		{windows.ERROR_SERVICE_DISABLED, "disabled"},
		{windows.ERROR_SERVICE_MARKED_FOR_DELETE, "restart Windows"},
	} {
		err := explain("open WinDivert", test.err)
		if !strings.Contains(err.Error(), test.hint) || !errors.Is(err, test.err) {
			t.Errorf("%#v: %v", test.err, err)
		}
	}
	if err := explain("open WinDivert", io.EOF); err.Error() != "open WinDivert: EOF" {
		t.Error(err)
	}
}

func TestAComputerWithoutADriverIsRefused(t *testing.T) {
	if err := hasDriver(0xaa64); !errors.Is(err, errMachine) {
		t.Errorf("arm64: %v", err)
	}
	if err := hasDriver(machineX64); err != nil {
		t.Errorf("x64: %v", err)
	}
}

func TestAfterBadFlagsTheNextOpenSucceeds(t *testing.T) {
	s := newStandIn(t)
	if h, err := (winDivert{}).open("true", layerNetwork, 100, 1<<20); err == nil {
		h.close()
		t.Error("flags that are none were accepted")
	}
	s.open(layerNetwork, 100, 0)
}
