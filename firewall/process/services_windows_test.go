package process

import (
	"testing"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"

	"sallyport.dev/sallyport/firewall"
)

// startServices starts services that Wine has, if this is Wine: a person's
// Windows runs enough of them.
func startServices(t *testing.T, names ...string) {
	t.Helper()
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() != nil {
		return
	}
	m, err := mgr.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Disconnect()
	for _, name := range names {
		s, err := m.OpenService(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			s.Control(svc.Stop)
			s.Close()
		})
		if err := s.Start(); err != nil && err != windows.ERROR_SERVICE_ALREADY_RUNNING {
			t.Fatalf("start %s: %v", name, err)
		}
		deadline := time.Now().Add(10 * time.Second)
		for status, err := s.Query(); err != nil || status.State != svc.Running; status, err = s.Query() {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not run: %+v, %v", name, status, err)
			}
		}
	}
}

// A service is a subject of its own: alone in its process it is known, and
// among others only if the system names it.
func TestEachServiceOfSvchostIsItsOwnProgram(t *testing.T) {
	startServices(t, "BITS", "Schedule")
	all, err := services()
	if err != nil {
		t.Fatal(err)
	}
	beside := map[uint32]int{}
	for _, s := range all {
		beside[s.pid]++
	}
	hosted := 0
	for _, s := range all {
		p := Identify(int(s.pid), nobody, time.Now()).Program
		if !hostsServices(p.Path) {
			if p.Kind == firewall.Hosted || p.Service != "" {
				t.Errorf("%s has an executable of its own, and is %+v", s.name, p)
			}
			continue
		}
		hosted++
		want := firewall.Program{Kind: firewall.Hosted, Path: p.Path, Service: s.subject(), Signer: p.Signer, Product: p.Product}
		if beside[s.pid] == 1 && p != want {
			t.Errorf("%s, alone in its process, is %+v", s.name, p)
		}
		if beside[s.pid] > 1 && (p.Kind != firewall.Hosted || p.ID() != "" || p.Why == "") {
			t.Errorf("%s, one of several in its process, is %+v", s.name, p)
		}
		if p := Identify(int(s.pid), func() string { return s.name }, time.Now()).Program; p != want {
			t.Errorf("%s, named by the system, is %+v", s.name, p)
		}
		if p := Identify(int(s.pid), func() string { return "another" }, time.Now()); p.ID() != "" {
			t.Errorf("a service that does not run in the process is %+v", p)
		}
	}
	if hosted == 0 {
		t.Errorf("no service runs in svchost: %+v", all)
	}
	t.Logf("services by process: %v", beside)
}
