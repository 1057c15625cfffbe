package process

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/windows"
)

// processNameNative asks QueryFullProcessImageName for the kernel's path.
const processNameNative = 1

// file is an executable that is held open.
type file struct {
	windows.Handle
	path string // canonical: no link, no short name, each letter as it is stored
	version
}

// version tells a file apart from what was or will be at its path.
type version struct {
	volume, index   uint64
	size            int64
	written, change int64 // 100 ns since 1601
	usn             int64 // the volume's number of its last change; 0 where the volume does not count
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
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_DELETE // who updates the program is not disturbed
	h, err := windows.CreateFile(name, windows.GENERIC_READ, share, nil, windows.OPEN_EXISTING, 0, 0)
	if errors.Is(err, fs.ErrPermission) { // encrypted, or for nobody to read: where it is can be told all the same
		h, err = windows.CreateFile(name, windows.FILE_READ_ATTRIBUTES, share|windows.FILE_SHARE_WRITE, nil, windows.OPEN_EXISTING, 0, 0)
	}
	if err != nil {
		return file{}, fmt.Errorf("open %s: %w", path, err)
	}
	f := file{Handle: h}
	if f.path, err = finalPath(h); err == nil {
		f.version, err = versionOf(h)
	}
	if err != nil {
		windows.CloseHandle(h)
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

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

func versionOf(h windows.Handle) (v version, err error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return v, fmt.Errorf("what file it is: %w", err)
	}
	v.volume = uint64(info.VolumeSerialNumber)
	v.index = uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)
	v.size = int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow)
	v.written = info.LastWriteTime.Nanoseconds()
	var basic struct{ created, accessed, written, changed, attributes int64 } // FILE_BASIC_INFO
	if windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&basic)), uint32(unsafe.Sizeof(basic))) == nil {
		v.change = basic.changed
	}
	// The times can be set by who may write to the file, this number cannot.
	record := make([]int64, 128)
	var n uint32
	if windows.DeviceIoControl(h, windows.FSCTL_READ_FILE_USN_DATA, nil, 0, (*byte)(unsafe.Pointer(&record[0])), uint32(len(record)*8), &n, nil) == nil && n >= 32 {
		v.usn = record[3] // USN_RECORD_V2 has it at byte 24
		if uint16(record[0]>>32) != 2 {
			v.usn = 0
		}
	}
	return v, nil
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
