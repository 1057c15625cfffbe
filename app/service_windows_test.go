package app

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"sallyport.dev/sallyport/app/link"
)

// sallyport runs the program and returns what it says.
func sallyport(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PROGRAM=yes")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestTheServiceIsInstalledStartedStoppedAndRemoved has a service whose
// backend is in memory; what it is told survives.
func TestTheServiceIsInstalledStartedStoppedAndRemoved(t *testing.T) {
	if said, err := sallyport(t, os.Args[0], "service", "status"); err != nil || said != "not installed" {
		t.Fatalf("there is a service on this computer already: %s %v", said, err)
	}
	if _, err := os.Stat(DefaultData); err == nil {
		t.Fatalf("there are data on this computer already: %s", DefaultData)
	}
	if said, err := sallyport(t, os.Args[0], "service", "install"); err == nil || !strings.Contains(said, "can change the program") {
		t.Errorf("a program that others can change is installed as SYSTEM's: %s", said)
	}
	if said, err := sallyport(t, os.Args[0], "service", "start"); err == nil || !strings.Contains(said, "not installed: install it with") {
		t.Errorf("start: %s", said)
	}
	program := copyProgram(t)
	t.Cleanup(func() {
		sallyport(t, program, "service", "uninstall")
		os.RemoveAll(DefaultData)
	})
	step := func(want string, args ...string) {
		t.Helper()
		if said, err := sallyport(t, program, args...); err != nil || !strings.Contains(said, want) {
			t.Fatalf("%v: %s, %v, want %q", args, said, err, want)
		}
	}
	step("installed the service", "service", "install")
	if said, err := sallyport(t, program, "service", "install"); err == nil || !strings.Contains(said, "installed already") {
		t.Errorf("installed twice: %s", said)
	}
	step("stopped", "service", "status")
	step("the service runs", "service", "start")
	step("running", "service", "status")
	step(`"running":true`, "status", "--json")
	step("", "mode", "ask")
	step("", "rules", "add", "--program", `C:\Windows\System32\curl.exe`, "--verdict", "block")
	step("the service runs", "service", "start")
	step("the service is stopped", "service", "stop")
	step("the service is stopped", "service", "stop")
	if said, err := sallyport(t, program, "status"); err == nil || !strings.Contains(said, "sallyport service start") {
		t.Errorf("without an engine: %s", said)
	}
	step("the service runs", "service", "start")
	step("ask", "mode")
	step("curl.exe", "rules")
	step("removed the service", "service", "uninstall")
	step("not installed", "service", "status")
	step("not installed", "service", "uninstall")
}

// TestADecisionSurvivesAKilledEngine kills an engine right after a change.
func TestADecisionSurvivesAKilledEngine(t *testing.T) {
	dir := t.TempDir()
	address, data := testAddress(dir), dir+`\data`
	start := func() *exec.Cmd {
		engine := exec.Command(os.Args[0], "engine", "--demo", "--data", data, "--socket", address)
		engine.Env = append(os.Environ(), "SALLYPORT_TEST_PROGRAM=yes")
		if err := engine.Start(); err != nil {
			t.Fatal(err)
		}
		awaitEngine(t, address)
		return engine
	}
	engine := start()
	defer func() { engine.Process.Kill(); engine.Wait() }()
	if said, err := sallyport(t, os.Args[0], "--socket", address, "rules", "add", "--program", `C:\Windows\System32\curl.exe`, "--verdict", "block"); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	engine.Process.Kill()
	engine.Wait()
	engine = start()
	if said, err := sallyport(t, os.Args[0], "--socket", address, "rules"); err != nil || !strings.Contains(said, "curl.exe") {
		t.Errorf("%v: %s", err, said)
	}
}

func awaitEngine(t *testing.T, address string) {
	t.Helper()
	var err error
	for range 2000 {
		if _, err = link.NewClient(address).Status(t.Context()); err == nil {
			return
		}
		pause()
	}
	t.Fatalf("the engine does not answer: %v", err)
}
