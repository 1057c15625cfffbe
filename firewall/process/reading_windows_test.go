package process

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// Nobody writes to a file while it is read, and who has it open for writing may
// have changed it without a trace.
func TestAFileIsReadWhileNobodyCanWriteToIt(t *testing.T) {
	path := filepath.Join(folder(t), "a.exe")
	if err := os.WriteFile(path, []byte("content"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := openFile(longPath(path))
	if err != nil {
		t.Fatal(err)
	}
	path, stamp := f.path, f.stamp
	f.close()
	read := reading(path, stamp)
	name, _ := windows.UTF16PtrFromString(path)
	write := func() error {
		h, err := windows.CreateFile(name, windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, windows.OPEN_EXISTING, 0, 0)
		if err == nil {
			windows.CloseHandle(h)
		}
		return err
	}
	err = read(t.Context(), func(r *io.SectionReader) error {
		if err := write(); err != windows.ERROR_SHARING_VIOLATION {
			t.Errorf("while it is read, somebody writes: %v", err)
		}
		content, err := io.ReadAll(r)
		if string(content) != "content" {
			t.Errorf("read %q, %v", content, err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	err = read(t.Context(), func(*io.SectionReader) error { // as who updates does it
		if err := os.Rename(path, path+".old"); err != nil {
			t.Errorf("an update is disturbed: %v", err)
		}
		place(t, signedFiles+"next.exe", path)
		return nil
	})
	if !errors.Is(err, errReplaced) {
		t.Errorf("a file was read that was replaced meanwhile: %v", err)
	}
	f, err = openFile(longPath(path))
	if err != nil {
		t.Fatal(err)
	}
	f.close()
	h, err := windows.CreateFile(name, windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(h)
	if err := reading(path, f.stamp)(t.Context(), func(*io.SectionReader) error { return nil }); err == nil {
		t.Error("a file was read that somebody may write to")
	}
}

// Who may write to a file may set its times.
func TestAStampIsAnotherAfterEachChange(t *testing.T) {
	path := filepath.Join(folder(t), "a.exe")
	seen := map[firewall.Stamp]string{}
	for _, content := range []string{"1", "2", "2"} {
		<-time.After(tick) // Wine numbers no changes
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		long := time.Date(2020, 1, 1, 0, 0, 0, 1, time.UTC)
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
		f, err := openFile(longPath(path))
		if err != nil {
			t.Fatal(err)
		}
		f.close()
		if seen[f.stamp] != "" {
			t.Errorf("two changes have the stamp %+v", f.stamp)
		}
		seen[f.stamp] = content
	}
}

// Wine does not tell of which file a process was made: then nothing is
// concluded from it.
func TestAProcessIsMadeOfTheFileAtItsPathWhereTheSystemTells(t *testing.T) {
	pid, _ := child(t)
	o, err := open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	f, err := o.executable()
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if o.replaced(f) {
		t.Errorf("%s is not the file that runs: %v", f.path, o.madeOf(f.path))
	}
	other := filepath.Join(folder(t), "other.exe")
	place(t, f.path, other)
	g, err := openFile(longPath(other))
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	if o.replaced(g) != tellsImages() {
		t.Errorf("%s is the file that runs: %v", other, o.madeOf(other))
	}
	t.Logf("the system tells: %v (%v)", tellsImages(), o.madeOf(f.path))
}
