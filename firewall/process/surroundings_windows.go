package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/persistence/acl"
)

// maxZone is how many bytes of the mark of where a file came from are read.
const maxZone = 16 << 10

const tokenIsAppContainer = 29 // TOKEN_INFORMATION_CLASS of winnt.h

// surround reads where the process runs, with which rights, and what is to be
// known of its file.
func (f *Facts) surround() {
	o, err := open(f.PID)
	if err != nil {
		return
	}
	defer o.close()
	var session uint32
	if windows.ProcessIdToSessionId(uint32(f.PID), &session) == nil {
		f.Terminal = fmt.Sprintf("session %d", session)
	}
	var token windows.Token
	if windows.OpenProcessToken(o.Handle, windows.TOKEN_QUERY, &token) == nil {
		defer token.Close()
		f.Rights = rightsOf(token)
		var contained, n uint32
		if windows.GetTokenInformation(token, tokenIsAppContainer, (*byte)(unsafe.Pointer(&contained)), 4, &n) == nil && contained != 0 {
			f.Container = "an app container"
		}
	}
	f.File = o.fileFacts()
}

// rightsOf says what a token may do beyond or below what a person's programs
// usually may: by its integrity level (winnt.h, SECURITY_MANDATORY_LOW_RID).
func rightsOf(token windows.Token) string {
	buffer := make([]uint64, 32)
	var n uint32
	if windows.GetTokenInformation(token, windows.TokenIntegrityLevel, (*byte)(unsafe.Pointer(&buffer[0])), uint32(len(buffer)*8), &n) != nil {
		return ""
	}
	sid := (*windows.Tokenmandatorylabel)(unsafe.Pointer(&buffer[0])).Label.Sid
	switch level := sid.SubAuthority(uint32(sid.SubAuthorityCount()) - 1); {
	case level >= 0x4000:
		return "system"
	case level >= 0x3000:
		return "elevated"
	case level >= 0x2000:
		return ""
	case level >= 0x1000:
		return "low integrity"
	}
	return "untrusted integrity"
}

// fileFacts reads what is to be known of the executable.
func (p opened) fileFacts() (known File) {
	f, err := p.executable()
	if err != nil {
		known.Deleted = errors.Is(err, fs.ErrNotExist)
		return known
	}
	defer f.close()
	known.Changed = time.Unix(0, max(f.stamp.Changed, f.stamp.Written)).UTC()
	known.Writer, known.Writable = writerOf(f.path)
	if zone, err := os.Open(longPath(f.path) + ":Zone.Identifier"); err == nil {
		defer zone.Close()
		text := make([]byte, maxZone)
		n, _ := zone.Read(text)
		known.Internet, known.Source = zoneOf(string(text[:n]))
	}
	return known
}

// writerOf is who else than administrators may change what is at a path, and
// where: the file, or a folder above it. Both are empty if nobody may, or if it
// cannot be told.
func writerOf(path string) (writer, writable string) {
	for at, rights := range above(path) {
		sd, err := acl.OfFile(longPath(at))
		if err != nil {
			return "", ""
		}
		who, err := acl.Others(sd, rights)
		switch {
		case err != nil:
			return "", ""
		case isAnyone(who):
			return anyone, at
		case who != "":
			return who, at
		}
	}
	return "", ""
}

// isAnyone tells whether an account stands for every user, by its name here.
func isAnyone(account string) bool {
	if account == "everyone" { // without an access list
		return true
	}
	for _, known := range []windows.WELL_KNOWN_SID_TYPE{windows.WinWorldSid, windows.WinAuthenticatedUserSid, windows.WinBuiltinUsersSid, windows.WinInteractiveSid} {
		if sid, err := windows.CreateWellKnownSid(known); err == nil && account == acl.Name(sid) {
			return true
		}
	}
	return false
}

func unitOfProcess(int) string { return "" }

// seesOurFiles tells whether a path is the same file to the process and here.
func seesOurFiles(int) bool { return true }
