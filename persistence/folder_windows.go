package persistence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/persistence/acl"
)

// access are all rights to a folder and, by inheritance, to what lies in it.
const access = windows.GENERIC_ALL | windows.GENERIC_READ | windows.GENERIC_WRITE | windows.GENERIC_EXECUTE | 0x1f01ff

// makeFolder makes the folder private to SYSTEM and the administrators. It
// leaves a folder alone that others use: whoever made it could change it back.
func makeFolder(dir, name string) error {
	private, err := privateAccess()
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return fmt.Errorf("make folder %q: %w", dir, err)
	}
	err = windows.CreateDirectory(path, &windows.SecurityAttributes{
		Length: uint32(unsafe.Sizeof(windows.SecurityAttributes{})), SecurityDescriptor: private,
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("folder %s is a file, or leads elsewhere", dir)
	}
	if who, err := others(dir, access); err != nil || who == "" {
		return err
	}
	if err := oursToClose(dir, name); err != nil {
		return fmt.Errorf("folder %s is open to other users: name one of its own, which does not exist yet: %w", dir, err)
	}
	dacl, _, err := private.DACL()
	if err != nil {
		return err
	}
	err = windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
	if err != nil {
		return fmt.Errorf("close folder %s to others: %w", dir, err)
	}
	return nil
}

// privateAccess grants everything to SYSTEM, the administrators and, where
// this process is neither, its user; and nothing to others.
func privateAccess() (*windows.SECURITY_DESCRIPTOR, error) {
	sddl := "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
	token := windows.GetCurrentProcessToken()
	if token.IsElevated() {
		sddl = "O:BA" + sddl // never the person's own: the person's programs could open it again
	} else {
		user, err := token.GetTokenUser()
		if err != nil {
			return nil, err
		}
		sddl += "(A;OICI;FA;;;" + user.User.Sid.String() + ")"
	}
	return windows.SecurityDescriptorFromString(sddl)
}

// oursToClose says why a folder that others may use must be left alone: it, or
// a file in it, is theirs, or it holds files and none of them is the database.
func oursToClose(dir, name string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if _, known := os.Lstat(filepath.Join(dir, name)); len(files) > 0 && known != nil {
		return errors.New("it holds other files")
	}
	paths := []string{dir}
	for _, f := range files {
		paths = append(paths, filepath.Join(dir, f.Name()))
	}
	for _, path := range paths {
		if who, err := others(path, 0); err != nil {
			return err
		} else if who != "" {
			return fmt.Errorf("%s belongs to %s", path, who)
		}
	}
	return nil
}

// others says who else has one of the rights, or owns the file.
func others(path string, rights windows.ACCESS_MASK) (string, error) {
	sd, err := acl.OfFile(path)
	if err != nil {
		return "", err
	}
	return acl.Others(sd, rights)
}

// syncFolder has nothing to do: NTFS keeps its names in a journal of its own,
// and Windows flushes files only.
func syncFolder(string) error { return nil }
