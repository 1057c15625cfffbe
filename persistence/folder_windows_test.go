package persistence

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// inWine tells whether this is Wine, which keeps no access lists in files: it
// makes them up from the mode, and lets nothing inherit them.
var inWine = windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil

// isPrivate says what others may do with a file or folder.
func isPrivate(name string) error {
	if info, err := os.Stat(name); inWine && err == nil && !info.IsDir() {
		return nil
	}
	who, err := others(name, access)
	if err == nil && who != "" {
		err = fmt.Errorf("%s is open to %s", name, who)
	}
	return err
}

func TestAnEmptyFolderIsClosedAndALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	open(t, filepath.Join(dir, "sallyport.db"))
	if err := isPrivate(dir); err != nil && !inWine {
		t.Error(err)
	}
	elsewhere, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if out, err := exec.Command("cmd", "/c", "mklink", "/J", link, elsewhere).CombinedOutput(); err != nil {
		t.Logf("this system makes no junction: %v %s", err, out)
		return
	}
	if _, err := os.Lstat(link); err != nil {
		t.Logf("this system makes no junction: %v", err)
		return
	}
	if _, _, err := Open(filepath.Join(link, "sallyport.db")); err == nil || !strings.Contains(err.Error(), "leads elsewhere") {
		t.Errorf("opened through a junction: %v", err)
	}
}
