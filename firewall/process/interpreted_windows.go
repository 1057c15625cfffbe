package process

import (
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/interpreter"
	"sallyport.dev/sallyport/persistence/acl"
)

// maxInterpreted is how many processes of interpreters are remembered.
const maxInterpreted = 4096

// interpreted remembers what interpreters run, as it was read first: later, what
// they run may have changed it.
var interpreted = struct {
	sync.Mutex
	of map[execution]firstReading
}{of: map[execution]firstReading{}}

// execution is a process for as long as it runs.
type execution struct {
	pid     int
	started time.Time
}

type firstReading struct {
	line    string
	program firewall.Program
}

// runs is what the process of the program at path runs, nil if it is no
// interpreter. Only one that administrators alone can replace tells: any other
// could be any program, with the command line of any script.
func (p opened) runs(path string) *firewall.Program {
	family, is := interpreter.Of(path)
	if !is || !onlyAdministrators(path) {
		return nil
	}
	line, err := p.commandLine()
	if err != nil {
		u := unidentified(p.pid, "its command line cannot be read")
		return &u
	}
	known, ok := p.firstReading()
	if !ok {
		known = firstReading{line, firewall.Program{Kind: firewall.Interpreted, Path: path, Family: family}}
		known.program.Script, known.program.Why = p.script(path, line)
		if known.program.Script == "" {
			known.program.File = fmt.Sprintf("execution %d.%d", p.pid, p.started.UnixNano())
		}
		known = p.remember(known)
	}
	if known.line != line {
		u := unidentified(p.pid, "it has rewritten its command line")
		return &u
	}
	return &known.program
}

func (p opened) firstReading() (r firstReading, ok bool) {
	interpreted.Lock()
	defer interpreted.Unlock()
	r, ok = interpreted.of[execution{p.pid, p.started}]
	return r, ok
}

// remember keeps a reading, and returns the first one.
func (p opened) remember(r firstReading) firstReading {
	interpreted.Lock()
	defer interpreted.Unlock()
	key := execution{p.pid, p.started}
	if first, ok := interpreted.of[key]; ok {
		return first
	}
	if len(interpreted.of) >= maxInterpreted {
		clear(interpreted.of)
	}
	interpreted.of[key] = r
	return r
}

// script is the path of the script that the process runs, or why it is not just
// a script.
func (p opened) script(path, line string) (script, why string) {
	named, not := interpreter.ScriptOfLine(path, line)
	if not != "" {
		return "", string(not)
	}
	script, err := p.absolute(named)
	if err != nil {
		return "", "the folder that it runs in is not known"
	}
	f, err := openFile(longPath(script))
	if err != nil {
		return "", "its script is not there any more"
	}
	defer f.close()
	switch {
	case !strings.EqualFold(f.path, script) && !strings.EqualFold(f.path, spelled(script)):
		return "", "a link leads to its script"
	case time.Unix(0, max(f.stamp.Changed, f.stamp.Written)).After(p.started):
		return "", "its script was changed since it was started"
	case len(f.path) > maxPath:
		return "", "its script's path is too long"
	}
	return f.path, ""
}

// absolute is a path as the process would open it.
func (p opened) absolute(path string) (string, error) {
	if filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	folder, err := p.folder()
	if err == nil && !filepath.IsAbs(folder) {
		err = fmt.Errorf("folder of process %d: %q", p.pid, folder)
	}
	return filepath.Join(folder, path), err
}

// spelled is a path without short names.
func spelled(path string) string {
	name, err := windows.UTF16PtrFromString(longPath(path))
	if err != nil {
		return path
	}
	buffer := make([]uint16, 1<<15)
	n, err := windows.GetLongPathName(name, &buffer[0], uint32(len(buffer)))
	if err != nil || int(n) > len(buffer) {
		return path
	}
	return plainPath(windows.UTF16ToString(buffer[:n]))
}

// onlyAdministrators tells whether nobody else can change which file is at a
// path.
func onlyAdministrators(path string) bool {
	for at, rights := range above(path) {
		if sd, err := acl.OfFile(longPath(at)); err != nil || !acl.Closed(sd, rights) {
			return false
		}
	}
	return true
}

// above gives a file and the folders above it, and the rights by which somebody
// can change what is at its path.
func above(path string) iter.Seq2[string, windows.ACCESS_MASK] {
	return func(yield func(string, windows.ACCESS_MASK) bool) {
		for at, rights := path, windows.ACCESS_MASK(acl.ChangeFile); yield(at, rights); {
			folder := filepath.Dir(at)
			if folder == at {
				return
			}
			rights = acl.ReplaceBelow
			if at == path {
				rights = acl.ChangeFolder
			}
			at = folder
		}
	}
}
