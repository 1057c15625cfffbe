package windows_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	folder    = `C:\Program Files\Sallyport`
	program   = folder + `\sallyport.exe`
	services  = `HKLM\System\CurrentControlSet\Services`
	autostart = `HKCU\Software\Microsoft\Windows\CurrentVersion\Run`
	uninstall = `HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall`
)

// TestAnInstalledFirewallCanBeRemovedSilently is one story for each of the
// installers, on one computer, because the computer takes long to make.
func TestAnInstalledFirewallCanBeRemovedSilently(t *testing.T) {
	need(t, "makensis", "wixl", "msibuild", "zip", "unzip")
	c := start(t)
	source, _ := pair(t, read(t, filepath.Join(c.pair, "WinDivert.dll")), read(t, filepath.Join(c.pair, "WinDivert64.sys")))
	p := pack(t, source, build(t))
	setup, msi := c.bring(t, p.setup), c.bring(t, p.msi)

	t.Run("the installer", func(t *testing.T) {
		c.must(t, setup, "/S")
		c.installed(t)
		for name, want := range map[string]string{
			"DisplayName": "Sallyport TEST", "DisplayVersion": productVersion(t), "InstallLocation": folder, "QuietUninstallString": `"` + folder + `\uninstall.exe" /S`,
		} {
			if got := c.value(t, uninstall+`\Sallyport`, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		data := c.used(t)
		c.must(t, setup, "/S") // over what runs, as an upgrade
		c.installed(t)
		if c.value(t, autostart, "Sallyport") == "" {
			t.Error("an upgrade took the autostart entry away")
		}
		c.must(t, folder+`\uninstall.exe`, "/S")
		c.removed(t)
		if got := c.value(t, uninstall+`\Sallyport`, "DisplayName"); got != "" {
			t.Errorf("Windows still lists %q", got)
		}
		if _, err := os.Stat(data); err != nil {
			t.Errorf("a silent removal took rules and log: %v", err)
		}
	})
	t.Run("the installer, with all data", func(t *testing.T) {
		c.must(t, setup, "/S")
		data := c.used(t)
		c.must(t, folder+`\uninstall.exe`, "/S", "/PURGE")
		c.removed(t)
		if _, err := os.Stat(filepath.Dir(data)); err == nil {
			t.Error("rules and log are still there")
		}
	})
	t.Run("the MSI", func(t *testing.T) {
		c.must(t, "msiexec", "/i", msi, "/qn")
		c.installed(t)
		data := c.used(t)
		c.must(t, "msiexec", "/x", msi, "/qn")
		c.removed(t)
		if _, err := os.Stat(data); err != nil {
			t.Errorf("a silent removal took rules and log: %v", err)
		}
	})
	t.Run("the MSI, with all data", func(t *testing.T) {
		c.must(t, "msiexec", "/i", msi, "/qn")
		data := c.used(t)
		c.must(t, "msiexec", "/x", msi, "/qn", "PURGE=1")
		c.removed(t)
		if _, err := os.Stat(filepath.Dir(data)); err == nil {
			t.Error("rules and log are still there")
		}
	})
	t.Run("another program's WinDivert stays", func(t *testing.T) {
		c.must(t, setup, "/S")
		c.must(t, program, "service", "stop")
		c.must(t, program, "recover")
		c.driver(t, `C:\Other\WinDivert64.sys`)
		c.must(t, folder+`\uninstall.exe`, "/S")
		c.removedFiles(t)
		if c.value(t, services+`\WinDivert`, "ImagePath") == "" {
			t.Error("the driver's service of another program is gone")
		}
	})
}

// installed checks what an installation has to leave.
func (c computer) installed(t *testing.T) {
	t.Helper()
	for _, name := range files {
		if !c.has(folder + `\` + name) {
			t.Errorf("%s is missing", name)
		}
	}
	if !c.inMenu(t) {
		t.Error("there is no entry in the Start menu")
	}
	if c.service(t) == "" {
		t.Error("no service is registered")
	}
	if said := c.must(t, program, "--version"); !strings.Contains(said, "sallyport") {
		t.Errorf("the installed program says %q", said)
	}
}

// used leaves what a person's use of an installed firewall leaves: data, an
// entry for autostart, the driver's service. It returns a file of the data.
func (c computer) used(t *testing.T) string {
	t.Helper()
	help := c.must(t, program, "engine", "--help")
	m := regexp.MustCompile(`--data .*\(default "(.*)"\)`).FindStringSubmatch(help)
	if m == nil {
		t.Fatalf("the program does not say where its data is: %s", help)
	}
	data := filepath.Join(c.path(strings.ReplaceAll(m[1], `\\`, `\`)), "kept")
	if err := os.MkdirAll(filepath.Dir(data), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, data, nil)
	c.must(t, "reg", "add", autostart, "/v", "Sallyport", "/d", `"`+folder+`\sallyportw.exe" --hidden`, "/f")
	if c.value(t, services+`\WinDivert`, "ImagePath") == "" {
		c.driver(t, folder+`\WinDivert64.sys`)
	}
	return data
}

// driver registers the driver's service.
func (c computer) driver(t *testing.T, path string) {
	t.Helper()
	c.must(t, "sc", "create", "WinDivert", "type=", "kernel", "start=", "demand", "binpath=", path)
}

// removed checks that a removal left nothing but the data.
func (c computer) removed(t *testing.T) {
	t.Helper()
	c.removedFiles(t)
	if path := c.value(t, services+`\WinDivert`, "ImagePath"); path != "" {
		t.Errorf("the driver's service is still there: %s", path)
	}
}

func (c computer) removedFiles(t *testing.T) {
	t.Helper()
	// NSIS removes in a copy of itself, which outlives what was started.
	eventually(t, folder+" is gone", func() bool { return !c.has(folder) })
	eventually(t, "the entry in the Start menu is gone", func() bool { return !c.inMenu(t) })
	eventually(t, "Windows does not list it", func() bool { return c.value(t, uninstall+`\Sallyport`, "DisplayName") == "" })
	if path := c.service(t); path != "" {
		t.Errorf("the service is still there: %s", path)
	}
	if entry := c.value(t, autostart, "Sallyport"); entry != "" {
		t.Errorf("the autostart entry is still there: %s", entry)
	}
}

// inMenu tells whether the Start menu has an entry: everybody's, or with Wine's
// msiexec the user's own.
func (c computer) inMenu(t *testing.T) bool {
	t.Helper()
	const menu = "Microsoft/Windows/Start Menu/Programs/Sallyport.lnk"
	own, err := filepath.Glob(filepath.Join(c.path(`C:\users`), "*", "AppData/Roaming", menu))
	if err != nil {
		t.Fatal(err)
	}
	return len(own) > 0 || c.has(`C:\ProgramData\`+menu)
}

// service is the command line of the service that runs the program, "" if
// there is none.
func (c computer) service(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(c.must(t, "reg", "query", services, "/s")) {
		if strings.Contains(line, "ImagePath") && strings.Contains(line, program) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
