package link

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/persistence/acl"
)

// The desktop program answers for the person, so the person's other programs
// must not be able to put themselves into it. Installed, its file and all that
// it loads from its folder are the administrators'; running, it closes itself
// to programs of the same user, see [Hide], which the engine verifies. What
// remains: whoever starts a process on Windows may also change it, so another
// program of the person could start the desktop program and steer it.

// KeepGroupAside has nothing to do: no program here has a group of its own.
func KeepGroupAside() error { return nil }

// windowsFile is the desktop program's file, which lies beside the engine's:
// the same program, but without a console.
const windowsFile = "sallyportw.exe"

// programFiles are the engine's and the desktop program's file as they were
// when the engine started, by name; they may be one.
var programFiles = sync.OnceValues(func() (map[string]os.FileInfo, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program's file: %w", err)
	}
	files := map[string]os.FileInfo{}
	for _, path := range []string{own, filepath.Join(filepath.Dir(own), windowsFile)} {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) && path != own {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find the program's file: %w", err)
		}
		files[strings.ToLower(filepath.Base(path))] = info
	}
	return files, nil
})

// Installed says what keeps this program's file from being trusted to answer;
// nil if nothing does.
func Installed(int) error {
	files, err := programFiles()
	if err != nil {
		return err
	}
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program's file: %w", err)
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("find the program's folder: %w", err)
	}
	for name := range files {
		if err := onlyAdministrators(filepath.Join(folder, name), acl.ChangeFile); err != nil {
			return err
		}
	}
	if err := onlyAdministrators(folder, acl.ChangeFolder); err != nil {
		return err
	}
	for folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		if err := onlyAdministrators(folder, acl.ReplaceBelow); err != nil {
			return err
		}
	}
	return nil
}

// onlyAdministrators fails if others have one of the rights.
func onlyAdministrators(path string, rights windows.ACCESS_MASK) error {
	sd, err := acl.OfFile(path)
	if err != nil {
		return err
	}
	who, err := acl.Others(sd, rights)
	if err != nil {
		return err
	}
	if who != "" {
		return fmt.Errorf("%s can change the program (%s): install it below C:\\Program Files with its installer", who, path)
	}
	return nil
}

// unfit says why the peer must not answer as the desktop program; "" if it
// may. An administrator may anyway.
func (p Peer) unfit(int) string {
	theirs, err := p.process.program(pathForKernel)
	if err != nil {
		return "its program cannot be read"
	}
	ours, err := programOf(windows.CurrentProcess(), pathForKernel)
	if err != nil {
		return "the engine's program cannot be read"
	}
	files, err := programFiles()
	if err != nil {
		return "the engine's program cannot be read"
	}
	name := strings.ToLower(filepath.Base(theirs))
	old, known := files[name]
	if !known || !strings.EqualFold(filepath.Dir(theirs), filepath.Dir(ours)) {
		return quoted(p.Program) + " is not the program that the engine runs"
	}
	if now, err := os.Stat(p.Program); err != nil || !os.SameFile(old, now) {
		return quoted(p.Program) + " is another version of the program that the engine runs: restart the engine with: sallyport service stop, sallyport service start"
	}
	if p.Admin {
		return ""
	}
	if err := Installed(-1); err != nil {
		return err.Error()
	}
	if err := isHidden(p.PID); err != nil {
		return err.Error()
	}
	return ""
}

// isHidden says how others of its user could reach into a process.
func isHidden(pid int) error {
	h, err := windows.OpenProcess(windows.READ_CONTROL, false, uint32(pid))
	if err != nil {
		return errors.New("nobody can tell whether other programs can change it")
	}
	defer windows.CloseHandle(h)
	sd, err := windows.GetSecurityInfo(h, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return errors.New("nobody can tell whether other programs can change it")
	}
	who, err := acl.Bound(sd, ^windows.ACCESS_MASK(processShown))
	if err != nil {
		return errors.New("nobody can tell whether other programs can change it")
	}
	if who != "" {
		return fmt.Errorf("other programs of %s can change it", who)
	}
	return nil
}
