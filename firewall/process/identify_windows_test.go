package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func nobody() string { return "" }

func TestTheTestItselfIsIdentified(t *testing.T) {
	pid, _ := child(t)
	self, _ := os.Executable()
	p := Identify(pid, nobody, time.Now())
	started := p.Started
	if p.Kind != firewall.Executable || !strings.EqualFold(p.Path, self) || p.Signer != "" || p.ID() == "" {
		t.Errorf("%s is %+v", self, p)
	}
	if f, err := Of(pid); err != nil || f.Started.Sub(started).Abs() > tolerance {
		t.Errorf("started %v, says Identify; %+v, %v says Of", started, f, err)
	}
	if p := Identify(pid, nobody, started.Add(-time.Minute)); p.Kind != firewall.Unidentified || !strings.Contains(p.Why, "another process") {
		t.Errorf("a process that was not there yet is %+v", p)
	}
}

func TestWhatIsNoProcessIsUnidentified(t *testing.T) {
	for _, pid := range []int{0, -1, 0x7ffffffc} {
		if p := Identify(pid, nobody, time.Now()); p.ID() != "" || p.Why == "" {
			t.Errorf("process %d is %+v", pid, p)
		}
	}
	if p := Identify(systemProcess, nobody, time.Now()); p.Kind != firewall.Kernel {
		t.Errorf("the system's own process is %+v", p)
	}
}

// A program is one subject, whichever way it was started by.
func TestAProgramHasOnePathHoweverItIsWritten(t *testing.T) {
	self, _ := os.Executable()
	file := filepath.Join(folder(t, "A Long Folder's Name", strings.Repeat("deep", 20)), "Program.exe")
	copyFile(t, self, file)
	want, err := openFile(longPath(file))
	if err != nil {
		t.Fatal(err)
	}
	want.close()
	if !strings.HasSuffix(want.path, "Program.exe") {
		t.Errorf("the file is %s", want.path)
	}
	for _, spelled := range []string{file, strings.ToUpper(file), strings.ToLower(file)} {
		c := exec.Command(spelled)
		c.Env = append(os.Environ(), "PROCESS_TEST_CHILD=1")
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		p := Identify(c.Process.Pid, nobody, time.Now())
		if p.Path != want.path {
			t.Errorf("started as %s it is %+v, want %s", spelled, p, want.path)
		}
		in.Close()
		c.Wait()
	}
}

func TestTheSystemsHostOfServices(t *testing.T) {
	for path, want := range map[string]bool{
		`C:\Windows\System32\svchost.exe`: true, `c:\windows\system32\SVCHOST.EXE`: true, `C:\Windows\SysWOW64\svchost.exe`: true,
		`C:\Users\a\svchost.exe`: false, `C:\Windows\System32\lsass.exe`: false, `\\server\Windows\System32\svchost.exe`: false,
	} {
		if hostsServices(path) != want {
			t.Errorf("%s hosts services: %v", path, !want)
		}
	}
	all, err := services()
	if err != nil || len(all) == 0 {
		t.Errorf("the services that run: %v, %v", all, err)
	}
	for _, s := range all {
		if s.name == "" || s.pid == 0 {
			t.Errorf("a service that runs: %+v", s)
		}
	}
}

// folder makes a folder of a test, which is removed with all files in it. Wine
// cannot remove what t.TempDir makes.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	last, err := os.MkdirTemp("", "process")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{""}, names...) {
		path := filepath.Join(last, name)
		last = path
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			files, _ := filepath.Glob(filepath.Join(path, "*"))
			for _, file := range append(files, path) {
				if err := os.Remove(file); err != nil {
					t.Error(err)
				}
			}
		})
	}
	return last
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o755); err != nil {
		t.Fatal(err)
	}
}
