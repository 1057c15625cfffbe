package process

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// maxPath is how long, in bytes, the path of a program may be that is known by
// it: rules have room for as much.
const maxPath = 4096

// systemProcess is the process of the kernel's own threads and drivers.
const systemProcess = 4

// Identify says which program the process is that was met at the time seen.
// named tells which service the system names for the flow, or "", and is called
// where that matters. What is not known for certain makes the program
// unidentified; a process that started after it was seen is another one.
func Identify(pid int, named func() string, seen time.Time) Running {
	if pid == systemProcess {
		return Running{Program: firewall.Program{Kind: firewall.Kernel}}
	}
	o, err := open(pid)
	if err != nil {
		return Running{Program: unidentified(pid, whyNot(err))}
	}
	defer o.close()
	if reused(o.started, seen, time.Now()) {
		return Running{Program: unidentified(pid, "it ended, and another process has its number")}
	}
	f, err := o.executable()
	if err != nil {
		return Running{Program: unidentified(pid, whyNot(err)), Started: o.started}
	}
	defer f.close()
	if o.replaced(f) {
		return Running{Program: unidentified(pid, "another file is at its path by now"), Started: o.started}
	}
	if len(f.path) > maxPath {
		return Running{Program: unidentified(pid, "its path is too long"), Started: o.started}
	}
	r := Running{Program: firewall.Program{Kind: firewall.Executable, Path: f.path}, Started: o.started}
	signature := f.signature()
	if s, known := signature.now(); known {
		r.Signer, r.Product = s.Signer, s.Product
	} else {
		r.Verified, r.Signed = signature.done, signature.wait
	}
	if hostsServices(f.path) {
		r.Kind = firewall.Hosted
		if all, err := services(); err == nil {
			r.Service = serviceOf(all, uint32(pid), named())
		}
		if r.Service == "" {
			r.Program.File, r.Why = fmt.Sprintf("process %d", pid), "which of its services it is, is not known"
		}
		return r
	}
	if family := o.family(f.path); family != "" {
		r.Kind, r.Package = firewall.Packaged, family
	} else {
		r.Stamp, r.Read = f.stamp, reading(f.path, f.stamp)
	}
	if r.Runs = o.runs(f.path); r.Runs != nil && r.Runs.Kind == firewall.Interpreted {
		r.Runs.Package = r.Package
	}
	return r
}

// unidentified tells processes apart, so that each is asked about.
func unidentified(pid int, why string) firewall.Program {
	return firewall.Program{File: fmt.Sprintf("process %d: %s", pid, why), Why: why}
}

func whyNot(err error) string {
	switch {
	case errors.Is(err, ErrGone):
		return "its process has ended"
	case errors.Is(err, fs.ErrNotExist):
		return "its file was deleted"
	case errors.Is(err, fs.ErrPermission):
		return "its file may not be read"
	}
	return "its file cannot be found"
}

// hostsServices tells whether the file is the system's own host of services.
func hostsServices(path string) bool {
	folder, err := windows.GetSystemWindowsDirectory()
	if err != nil {
		folder = ""
	}
	folder = cmp.Or(folder, `C:\Windows`)
	return strings.EqualFold(path, folder+`\System32\svchost.exe`) || strings.EqualFold(path, folder+`\SysWOW64\svchost.exe`)
}
