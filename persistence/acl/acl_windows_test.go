package acl

import (
	"errors"
	"testing"

	"golang.org/x/sys/windows"
)

func TestOthersAreFound(t *testing.T) {
	self, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, sddl string
		mask       windows.ACCESS_MASK
		others     bool
	}{
		{"a file of Program Files", "O:BAD:PAI(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1200a9;;;BU)", ChangeFile, false},
		{"the installer's file", "O:" + trustedInstaller + "D:(A;;FA;;;" + trustedInstaller + ")(A;;FR;;;WD)", ChangeFile, false},
		{"users write", "O:BAD:(A;;FA;;;BA)(A;;0x1301bf;;;BU)", ChangeFile, true},
		{"users may change who may", "O:BAD:(A;;WD;;;BU)", ChangeFile, true},
		{"a generic right", "O:BAD:(A;;GA;;;AU)", ChangeFile, true},
		{"somebody's own file", "O:BUD:(A;;FA;;;BA)", ChangeFile, true},
		{"no access list", "O:BA", ChangeFile, true},
		{"an empty list", "O:BAD:P", ChangeFile, false},
		{"only for what lies below", "O:BAD:(A;OICIIO;GA;;;CO)(A;OICIIO;GA;;;BU)", ChangeFolder, false},
		{"a library can be put beside", "O:BAD:(A;;0x2;;;BU)", ChangeFolder, true},
		{"users make folders in the root of a disk", "O:SYD:(A;;0x4;;;AU)(A;;FA;;;BA)", ReplaceBelow, false},
		{"users take things out of it", "O:SYD:(A;;0x40;;;AU)(A;;FA;;;BA)", ReplaceBelow, true},
		{"refused to some", "O:BAD:(D;;FA;;;BU)(A;;FA;;;BA)", ChangeFile, false},
	} {
		sd, err := windows.SecurityDescriptorFromString(test.sddl)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		who, err := Others(sd, test.mask)
		if err != nil || (who != "") != test.others || Closed(sd, test.mask) == test.others {
			t.Errorf("%s: others are %q, %v", test.name, who, err)
		}
	}
	for _, test := range []struct {
		name, sddl string
		others     bool
	}{
		{"a process as it is made", "O:BUD:(A;;GA;;;BU)(A;;GA;;;SY)", true},
		{"one that is closed, but whose owner can open it again", "O:BUD:(A;;0x101001;;;BU)(A;;GA;;;SY)", true},
		{"one that is closed", "O:BUD:(A;;0x101001;;;BU)(A;;GA;;;SY)(A;;0x101001;;;OW)", false},
		{"one whose owner may write into it", "O:BUD:(A;;GA;;;SY)(A;;0x20;;;OW)", true},
	} {
		sd, err := windows.SecurityDescriptorFromString(test.sddl)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		who, err := Bound(sd, 0x20|windows.GENERIC_ALL)
		if err != nil || (who != "") != test.others {
			t.Errorf("%s: others are %q, %v", test.name, who, err)
		}
	}
	open, err := windows.NewSecurityDescriptor()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(open.SetOwner(self.User.Sid, false), open.SetDACL(nil, true, false)); err != nil {
		t.Fatal(err)
	}
	if who, err := Others(open, ChangeFile); err != nil || who == "" {
		t.Errorf("a list that is not there: others are %q, %v", who, err)
	}
	weaker, err := hasWeakerTwin()
	if err != nil {
		t.Fatal(err)
	}
	own := self.User.Sid.String()
	sd, err := windows.SecurityDescriptorFromString("O:" + own + "D:(A;;FA;;;" + own + ")")
	if err != nil {
		t.Fatal(err)
	}
	if who, err := Others(sd, ChangeFile); err != nil || (who != "") != weaker {
		t.Errorf("this process's own file: others are %q, %v", who, err)
	}
}
