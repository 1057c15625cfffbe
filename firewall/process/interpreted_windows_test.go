package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// anInterpreter puts a program called python.exe where only administrators can.
func anInterpreter(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("ProgramFiles"), "Python ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "python.exe")
	t.Cleanup(func() {
		for _, name := range []string{path, dir} {
			remove(t, name)
		}
	})
	self, _ := os.Executable()
	copyFile(t, self, path)
	return stored(t, path)
}

// remove removes a file or folder, once Windows has let go of what ran from it.
func remove(t *testing.T, name string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(soon)
	for err := os.Remove(name); err != nil && !os.IsNotExist(err); err = os.Remove(name) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Error(err)
			return
		}
	}
}

// started runs a command line in a folder until the test ends.
func started(t *testing.T, path, line, folder string) (pid int) {
	t.Helper()
	c := exec.Command(path)
	c.SysProcAttr = &windows.SysProcAttr{CmdLine: line}
	c.Env, c.Dir = append(os.Environ(), "PROCESS_TEST_CHILD=1"), folder
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	return c.Process.Pid
}

func TestAnInterpreterIsTheScriptThatItRuns(t *testing.T) {
	python := anInterpreter(t)
	dir := folder(t, "My Scripts")
	backup := filepath.Join(dir, "Backup.py")
	if err := os.WriteFile(backup, []byte("import socket"), 0o644); err != nil {
		t.Fatal(err)
	}
	backup = stored(t, backup)
	dir = filepath.Dir(backup)
	<-time.After(tick) // Wine tells a file's change and a process's start by clocks of their own
	for line, want := range map[string]firewall.Program{
		`python "` + backup + `" --all`:      {Script: backup},
		`python -u backup.py`:                {Script: backup},
		`python ".\..\My Scripts\BACKUP.py"`: {Script: backup},
		`python -c "import socket"`:          {Why: "inline code"},
		`python -m backup`:                   {Why: "module backup, wherever it is found"},
		`python`:                             {Why: "code from standard input"},
		`python gone.py`:                     {Why: "its script is not there any more"},
		`python back"up.py"`:                 {Why: "its command line is not understood"},
	} {
		r := Identify(started(t, python, line, dir), nobody, time.Now())
		if r.Kind != firewall.Executable || r.Path != python || r.Runs == nil {
			t.Fatalf("%s is %+v", line, r)
		}
		want.Kind, want.Path, want.Family, want.File = firewall.Interpreted, python, "python", r.Runs.File
		if *r.Runs != want || (want.Script == "") != (r.Runs.File != "") {
			t.Errorf("%s runs %+v, want %+v", line, *r.Runs, want)
		}
	}
	pid := started(t, python, `python "`+backup+`"`, dir)
	if r := Identify(pid, nobody, time.Now()); r.Runs.Script != backup {
		t.Errorf("it runs %+v", r.Runs)
	}
	if err := os.WriteFile(backup, []byte("evil"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := Identify(pid, nobody, time.Now()); r.Runs.Script != backup { // that was read before
		t.Errorf("it runs %+v", r.Runs)
	}
}

func TestAScriptThatWasChangedSinceIsNotTheOneThatRuns(t *testing.T) {
	python, dir := anInterpreter(t), folder(t)
	backup := filepath.Join(dir, "backup.py")
	if err := os.WriteFile(backup, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	pid := started(t, python, "python backup.py", dir)
	<-time.After(tick)
	if err := os.WriteFile(backup, []byte("evil"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := Identify(pid, nobody, time.Now()); r.Runs == nil || r.Runs.Script != "" || r.Runs.Why != "its script was changed since it was started" {
		t.Errorf("it runs %+v", r.Runs)
	}
}

// Whoever can write to the file could make it any program, with the command
// line of any script.
func TestAnInterpreterThatOthersCanReplaceIsOneProgram(t *testing.T) {
	python := anInterpreter(t)
	sd, err := windows.SecurityDescriptorFromString("D:P(A;;FA;;;BA)(A;;FA;;;SY)(A;;FA;;;WD)")
	if err != nil {
		t.Fatal(err)
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	if err := windows.SetNamedSecurityInfo(python, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION, nil, nil, dacl, nil); err != nil {
		t.Fatal(err)
	}
	pid := started(t, python, "python x.py", filepath.Dir(python))
	if r := Identify(pid, nobody, time.Now()); r.Runs != nil || r.Kind != firewall.Executable {
		t.Errorf("it is %+v and runs %+v", r.Program, r.Runs)
	}
	facts, err := Of(pid)
	if err != nil || facts.File.Writer != anyone || facts.File.Writable != python {
		t.Errorf("%+v, %v", facts.File, err)
	}
}

func TestAProcessThatRewritesItsCommandLineIsUnidentified(t *testing.T) {
	python := anInterpreter(t)
	pid := started(t, python, "python -c 1", filepath.Dir(python))
	if r := Identify(pid, nobody, time.Now()); r.Runs == nil || r.Runs.Why != "inline code" {
		t.Fatalf("it runs %+v", r.Runs)
	}
	o, err := open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	rewrite(t, o, "python x.py")
	if r := Identify(pid, nobody, time.Now()); r.Runs == nil || r.Runs.Kind != firewall.Unidentified || r.Runs.ID() != "" {
		t.Errorf("it runs %+v", r.Runs)
	}
}

func TestFactsOfAProcess(t *testing.T) {
	pid, _ := child(t)
	f, err := Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	if !strings.EqualFold(f.Path, self) || f.Command == "" || f.User == "" || !strings.HasPrefix(f.Terminal, "session ") || len(f.Chain) == 0 {
		t.Errorf("%+v", f)
	}
	if age := time.Since(f.File.Changed); age < 0 || age > time.Hour { // go test has just built it
		t.Errorf("the file changed %v ago", age)
	}
	if f.File.Deleted || f.File.Internet {
		t.Errorf("%+v", f.File)
	}
	t.Logf("%+v", f)
}

// rewrite does what a process can do to its own command line.
func rewrite(t *testing.T, p opened, line string) {
	t.Helper()
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.PROCESS_VM_READ|windows.PROCESS_VM_WRITE|windows.PROCESS_VM_OPERATION, false, uint32(p.pid))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(h)
	text, err := parameterOf(h, commandLineAt)
	if err != nil {
		t.Fatal(err)
	}
	wide, _ := windows.UTF16FromString(line)
	if err := windows.WriteProcessMemory(h, text.at, (*byte)(unsafe.Pointer(&wide[0])), uintptr(len(wide)*2), nil); err != nil {
		t.Fatal(err)
	}
}
