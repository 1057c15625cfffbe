package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// stepPatience is how long one step of uninstalling may take.
const stepPatience = time.Minute

// programFiles are the programs of an installation: the commands with the
// engine, and the windows.
var programFiles = []string{"sallyport.exe", "sallyportw.exe"}

// autostartValue is the name of what starts the windows when a user logs in,
// and autostartKeys are where the system keeps it and whether it is switched on.
const autostartValue = "Sallyport"

var autostartKeys = []string{
	`Software\Microsoft\Windows\CurrentVersion\Run`,
	`Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run`,
}

// uninstallOptions say how much goes.
type uninstallOptions struct {
	Purge      bool // rules and log too
	ForUpgrade bool // only what keeps the files in use, and the service
}

func uninstallCommand(e *env) *cobra.Command {
	var o uninstallOptions
	c := &cobra.Command{
		Use: "uninstall", Short: "Take everything but the files out of Windows; as administrator", Args: arguments(0, 0, ""),
		Long: "Stop the service, end the windows, and remove the service, the driver's service, our rules in\nthe Windows Filtering Platform and the autostart entries. The installers run this before they\nremove the files. Rules and log stay.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Purge && o.ForUpgrade {
				return usagef("--purge and --for-upgrade exclude each other")
			}
			return e.uninstall(cmd.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Purge, "purge", false, "also remove rules and log")
	c.Flags().BoolVar(&o.ForUpgrade, "for-upgrade", false, "end what runs and remove the service; the rest stays for the next version")
	return c
}

// uninstall takes every step, also after one that failed: what can go, goes.
func (e *env) uninstall(ctx context.Context, o uninstallOptions) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	steps := []func() ([]string, error){
		// First the service: one that is ended otherwise is started again.
		func() ([]string, error) { return nil, e.removeService(ctx, self) },
		func() ([]string, error) { return endOthers(filepath.Dir(self)) },
	}
	if o.ForUpgrade {
		steps = append(steps, func() ([]string, error) {
			_, err := removeDriver()
			return nil, err
		})
	} else {
		steps = append(steps, func() ([]string, error) { return recoverBackend(true) }, removeAutostart)
	}
	if o.Purge {
		steps = append(steps, purge)
	}
	var failed error
	for _, step := range steps {
		removed, err := step()
		for _, what := range removed {
			fmt.Fprintf(e.out, "removed %s\n", clean(what))
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// purge removes the data of the installed engine.
func purge() ([]string, error) {
	// A path without a drive would be one of whichever drive is the current one.
	if !filepath.IsAbs(DefaultData) {
		return nil, fmt.Errorf("remove rules and log: %s is not a whole path", DefaultData)
	}
	if err := os.RemoveAll(DefaultData); err != nil {
		return nil, fmt.Errorf("remove rules and log: %w", err)
	}
	return []string{"rules and log in " + DefaultData}, nil
}

// removeService stops and removes the service, by the command that says what
// it did.
func (e *env) removeService(ctx context.Context, self string) error {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	c := exec.CommandContext(ctx, self, "service", "uninstall")
	c.Stdout, c.Stderr = e.out, e.err
	if err := c.Run(); err != nil {
		return fmt.Errorf("remove the service: %w", err)
	}
	return nil
}

// endOthers ends every other process that runs a program in the folder, and
// waits for it.
func endOthers(folder string) (ended []string, err error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	var failed error
	for err = windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		name := strings.ToLower(windows.UTF16ToString(entry.ExeFile[:]))
		if entry.ProcessID == windows.GetCurrentProcessId() || !slices.Contains(programFiles, name) {
			continue
		}
		switch did, err := endIf(entry.ProcessID, filepath.Join(folder, name)); {
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("end process %d: %w", entry.ProcessID, err))
		case did:
			ended = append(ended, fmt.Sprintf("process %d (%s)", entry.ProcessID, name))
		}
	}
	if !errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		failed = errors.Join(failed, fmt.Errorf("list the processes: %w", err))
	}
	return ended, failed
}

// endIf ends a process if it runs the file.
func endIf(pid uint32, file string) (bool, error) {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.PROCESS_TERMINATE|windows.SYNCHRONIZE, false, pid)
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		return false, nil // it has ended meanwhile
	} else if err != nil {
		return false, err
	}
	defer windows.CloseHandle(process)
	path := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(path))
	if err := windows.QueryFullProcessImageName(process, 0, &path[0], &size); err != nil {
		return false, err
	}
	if !strings.EqualFold(windows.UTF16ToString(path[:size]), file) {
		return false, nil
	}
	if err := windows.TerminateProcess(process, 0); err != nil {
		return false, err
	}
	_, err = windows.WaitForSingleObject(process, uint32(stepPatience.Milliseconds()))
	return true, err
}

// removeAutostart removes the entry of every user who is logged in. Who is not
// keeps one that names a file that is gone, which Windows passes over.
func removeAutostart() (removed []string, failed error) {
	users, err := registry.USERS.ReadSubKeyNames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the users of the registry: %w", err)
	}
	for _, user := range users {
		for _, path := range autostartKeys {
			err := removeValueOf(user, path)
			if err == nil {
				removed = append(removed, "an autostart entry of "+user)
			} else if !errors.Is(err, registry.ErrNotExist) {
				failed = errors.Join(failed, fmt.Errorf("remove the autostart entry of %s: %w", user, err))
			}
		}
	}
	return removed, failed
}

func removeValueOf(user, path string) error {
	key, err := registry.OpenKey(registry.USERS, user+`\`+path, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer key.Close()
	return key.DeleteValue(autostartValue)
}
