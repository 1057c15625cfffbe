package acl

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// Rights by which a file or folder can be made another one. The numbers are
// those of winnt.h.
const (
	// ChangeFile are the rights to change what a file holds or who may.
	ChangeFile = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | changeAny
	// ChangeFolder are the rights to put something into a folder, to take
	// something out of it or to replace it.
	ChangeFolder = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | deleteChild | changeAny
	// ReplaceBelow are the rights to replace what lies somewhere below a folder.
	ReplaceBelow = deleteChild | changeAny

	deleteChild = 0x40
	changeAny   = windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL
)

// trustedInstaller is the service that owns the system's own files.
const trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

// Trusted returns who can change the engine anyway: SYSTEM, the administrators,
// the system's installer, and this process's own user unless that user also
// has processes that are weaker than this one.
func Trusted() ([]*windows.SID, error) {
	all, err := administrators()
	if err != nil {
		return nil, err
	}
	installer, err := windows.StringToSid(trustedInstaller)
	if err != nil {
		return nil, fmt.Errorf("name the system's installer: %w", err)
	}
	all = append(all, installer)
	weaker, err := hasWeakerTwin()
	if err != nil || weaker {
		return all, err
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("read this process's user: %w", err)
	}
	self, err := user.User.Sid.Copy()
	return append(all, self), err
}

// administrators are SYSTEM and the administrators' group.
func administrators() (all []*windows.SID, err error) {
	for _, known := range []windows.WELL_KNOWN_SID_TYPE{windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid} {
		sid, err := windows.CreateWellKnownSid(known)
		if err != nil {
			return nil, fmt.Errorf("name the administrators: %w", err)
		}
		all = append(all, sid)
	}
	return all, nil
}

// hasWeakerTwin tells whether user account control gave this process's user
// two tokens and this process the stronger one.
func hasWeakerTwin() (bool, error) {
	const stronger = 2 // TokenElevationTypeFull
	var kind, size uint32
	err := windows.GetTokenInformation(windows.GetCurrentProcessToken(), windows.TokenElevationType, (*byte)(unsafe.Pointer(&kind)), 4, &size)
	if err != nil {
		return false, fmt.Errorf("read this process's token: %w", err)
	}
	if kind != stronger {
		return false, nil
	}
	policies, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System`, registry.QUERY_VALUE)
	if err != nil {
		return !errors.Is(err, registry.ErrNotExist), nil
	}
	defer policies.Close()
	control, _, err := policies.GetIntegerValue("EnableLUA")
	if errors.Is(err, registry.ErrNotExist) {
		return false, nil
	}
	return err != nil || control != 0, nil
}

// Others says which others than those trusted a file belongs to or grants one
// of the rights in mask; "" if there are none. What is only inherited by what
// lies below does not count.
func Others(sd *windows.SECURITY_DESCRIPTOR, mask windows.ACCESS_MASK) (string, error) {
	return others(sd, mask, Name)
}

// Closed tells whether there are no Others. To name them, the system may ask
// on the network: this asks nobody.
func Closed(sd *windows.SECURITY_DESCRIPTOR, mask windows.ACCESS_MASK) bool {
	who, err := others(sd, mask, func(*windows.SID) string { return "somebody" })
	return err == nil && who == ""
}

func others(sd *windows.SECURITY_DESCRIPTOR, mask windows.ACCESS_MASK, name func(*windows.SID) string) (string, error) {
	owner, _, err := sd.Owner()
	if err != nil {
		return "", fmt.Errorf("read the owner: %w", err)
	}
	trusted, err := Trusted()
	if err != nil {
		return "", err
	}
	if owner == nil || !contains(trusted, owner) {
		return name(owner), nil
	}
	who, _, err := granted(sd, mask, trusted, name)
	return who, err
}

// Bound is Others for what belongs to somebody else, such as a process. Its
// owner could change the access list, unless that bounds the owner's rights.
// Only SYSTEM and the administrators are trusted with it.
func Bound(sd *windows.SECURITY_DESCRIPTOR, mask windows.ACCESS_MASK) (string, error) {
	trusted, err := administrators()
	if err != nil {
		return "", err
	}
	who, bound, err := granted(sd, mask|windows.WRITE_DAC|windows.WRITE_OWNER, trusted, Name)
	if err == nil && who == "" && !bound {
		return "its owner", nil
	}
	return who, err
}

func contains(all []*windows.SID, sid *windows.SID) bool {
	return slices.ContainsFunc(all, func(s *windows.SID) bool { return s.Equals(sid) })
}

// granted says who that is not trusted has one of the rights in mask; bound is
// whether the owner has no others than those listed.
func granted(sd *windows.SECURITY_DESCRIPTOR, mask windows.ACCESS_MASK, trusted []*windows.SID, name func(*windows.SID) string) (who string, bound bool, err error) {
	dacl, _, err := sd.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) || err == nil && dacl == nil {
		return "everyone", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read the access list: %w", err)
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			return "", false, fmt.Errorf("read the access list: %w", err)
		}
		switch {
		case ace.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0, ace.Header.AceType == windows.ACCESS_DENIED_ACE_TYPE:
			continue
		case ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE:
			return "an entry of an unknown kind", false, nil
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		rights := sid.IsWellKnown(windows.WinCreatorOwnerRightsSid)
		bound = bound || rights
		if ace.Mask&mask != 0 && !contains(trusted, sid) && !(rights && ownerIn(sd, trusted)) {
			return name(sid), bound, nil
		}
	}
	return "", bound, nil
}

func ownerIn(sd *windows.SECURITY_DESCRIPTOR, trusted []*windows.SID) bool {
	owner, _, err := sd.Owner()
	return err == nil && owner != nil && contains(trusted, owner)
}

// Name is what people call an account; its SID where it has no name.
func Name(sid *windows.SID) string {
	if sid == nil {
		return "nobody"
	}
	account, domain, _, err := sid.LookupAccount("")
	switch {
	case err != nil:
		return sid.String()
	case domain == "":
		return account
	}
	return domain + `\` + account
}

// OfFile reads the owner and the access list of a file or folder.
func OfFile(path string) (*windows.SECURITY_DESCRIPTOR, error) {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return nil, fmt.Errorf("read who can change %s: %w", path, err)
	}
	return sd, nil
}
