package process

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// processNameNative asks QueryFullProcessImageName for the kernel's path.
const processNameNative = 1

// file is an executable that is held open.
type file struct {
	windows.Handle
	path  string // canonical: no link, no short name, each letter as it is stored
	stamp firewall.Stamp
}

// executable opens the file of the process's executable; the caller closes it.
func (p opened) executable() (file, error) {
	path, err := p.image(0)
	if err == nil {
		path = nativePath(path, drives())
		if f, err := openFile(longPath(path)); err == nil || errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	// A volume without a letter, or a device that has one for others only.
	native, err := p.image(processNameNative)
	if err != nil {
		return file{}, err
	}
	return openFile(`\\?\GLOBALROOT` + native)
}

// openFile opens a file and reads where it is.
func openFile(path string) (file, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return file{}, fmt.Errorf("open %q: %w", path, err)
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, noWriters, nil, windows.OPEN_EXISTING, 0, 0)
	if errors.Is(err, fs.ErrPermission) { // encrypted, or for nobody to read: where it is can be told all the same
		h, err = windows.CreateFile(name, windows.FILE_READ_ATTRIBUTES, noWriters|windows.FILE_SHARE_WRITE, nil, windows.OPEN_EXISTING, 0, 0)
	}
	if err != nil {
		return file{}, fmt.Errorf("open %s: %w", path, err)
	}
	return fileOfHandle(h, path)
}

// fileOfHandle reads where an open file is; if it cannot, the file is closed.
func fileOfHandle(h windows.Handle, path string) (f file, err error) {
	f.Handle = h
	if f.path, err = finalPath(h); err == nil {
		f.stamp, err = stampOf(h)
	}
	if err != nil {
		f.close()
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// noWriters is how a file is shared that nobody may write to meanwhile; who
// updates the program by putting another file there is not disturbed.
const noWriters = windows.FILE_SHARE_READ | windows.FILE_SHARE_DELETE

func (f file) close() { windows.CloseHandle(f.Handle) }

// finalPath is where an open file is, with a drive letter if its volume has
// one, and with the volume's own name if not.
func finalPath(h windows.Handle) (string, error) {
	buffer := make([]uint16, 1<<15)
	const volumeNameDOS, volumeNameGUID = 0, 1
	n, err := windows.GetFinalPathNameByHandle(h, &buffer[0], uint32(len(buffer)), volumeNameDOS)
	if errors.Is(err, windows.ERROR_PATH_NOT_FOUND) {
		n, err = windows.GetFinalPathNameByHandle(h, &buffer[0], uint32(len(buffer)), volumeNameGUID)
	}
	if err != nil {
		return "", fmt.Errorf("path of the open file: %w", err)
	}
	if int(n) > len(buffer) {
		return "", errors.New("path of the open file: too long")
	}
	return plainPath(windows.UTF16ToString(buffer[:n])), nil
}

// stampOf tells a file from what was or will be at its path.
//
// Of what Windows keeps of a file, its times prove little: who may write to it
// may set them all, ChangeTime of FILE_BASIC_INFO included (as a part of
// FileBasicInfo). The number of its last change in the volume's journal (USN)
// only grows, and nobody can set it, but while somebody keeps the file open,
// NTFS numbers changes of one kind only once. FAT and exFAT, network shares and
// Wine have no such number; Wine leaves ChangeTime to the system below.
func stampOf(h windows.Handle) (s firewall.Stamp, err error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return s, fmt.Errorf("what file it is: %w", err)
	}
	s.Device = info.VolumeSerialNumber
	s.Inode = uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)
	s.Size = int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow)
	s.Written = info.LastWriteTime.Nanoseconds()
	s.Changed = s.Written
	var basic struct {
		created, accessed, written, changed windows.Filetime
		attributes                          int64
	} // FILE_BASIC_INFO
	if windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&basic)), uint32(unsafe.Sizeof(basic))) == nil && basic.changed != (windows.Filetime{}) {
		s.Changed = basic.changed.Nanoseconds()
	}
	s.Number = lastChange(h)
	return s, nil
}

// lastChange is the number of a file's last change; 0 if there is none.
func lastChange(h windows.Handle) int64 {
	versions := [2]uint16{2, 3} // READ_FILE_USN_DATA: the records that we understand; ReFS has the second one only
	record := make([]int64, 128)
	var n uint32
	if windows.DeviceIoControl(h, windows.FSCTL_READ_FILE_USN_DATA, (*byte)(unsafe.Pointer(&versions[0])), uint32(unsafe.Sizeof(versions)), (*byte)(unsafe.Pointer(&record[0])), uint32(len(record)*8), &n, nil) != nil {
		return 0
	}
	switch major := uint16(record[0] >> 32); {
	case major == 2 && n >= 32:
		return record[3]
	case major == 3 && n >= 48: // with numbers of files of 128 bits
		return record[5]
	}
	return 0
}

// drives are the kernel's devices by drive letter.
func drives() map[string]string {
	devices := map[string]string{}
	mask, _ := windows.GetLogicalDrives()
	target := make([]uint16, windows.MAX_PATH)
	for i := range 26 {
		letter := string(rune('A'+i)) + ":"
		name, _ := windows.UTF16PtrFromString(letter)
		if mask&(1<<i) != 0 {
			if _, err := windows.QueryDosDevice(name, &target[0], uint32(len(target))); err == nil {
				devices[letter] = windows.UTF16ToString(target)
			}
		}
	}
	return devices
}
