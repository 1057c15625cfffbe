package link

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// processShown is what other programs of the person may do with the desktop
// program: end it, wait for its end, and see its name.
const processShown = windows.PROCESS_TERMINATE | windows.PROCESS_QUERY_LIMITED_INFORMATION | windows.SYNCHRONIZE

// Hide closes this process to other programs of the same user: they can
// neither read nor write its memory, nor start or steer threads in it, nor
// copy its handles, nor load libraries into it by hooks.
func Hide() error {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return fmt.Errorf("close the process to others: %w", err)
	}
	sid := user.User.Sid.String()
	if err := closeObject(windows.CurrentProcess(), fmt.Sprintf("(A;;%#x;;;%s)(A;;%#x;;;OW)", processShown, sid, processShown)); err != nil {
		return fmt.Errorf("close the process to others: %w", err)
	}
	// Threads that are made from now on get this list; reading is left, since
	// the system shares some objects between programs.
	if err := closeLater("(A;;GRGX;;;" + sid + ")(A;;GRGX;;;OW)"); err != nil {
		return fmt.Errorf("close new threads to others: %w", err)
	}
	if err := closeThreads("(A;;GRGX;;;" + sid + ")(A;;GRGX;;;OW)"); err != nil {
		return fmt.Errorf("close threads to others: %w", err)
	}
	return loadNothingOfOthers()
}

const closed = "D:P(A;;GA;;;SY)(A;;GA;;;BA)"

func closeObject(object windows.Handle, entries string) error {
	sd, err := windows.SecurityDescriptorFromString(closed + entries)
	if err != nil {
		return err
	}
	return windows.SetKernelObjectSecurity(object, windows.DACL_SECURITY_INFORMATION, sd)
}

// closeLater sets the access list of objects that are made without one.
func closeLater(entries string) error {
	sd, err := windows.SecurityDescriptorFromString(closed + entries)
	if err != nil {
		return err
	}
	list := struct{ dacl *windows.ACL }{}
	if list.dacl, _, err = sd.DACL(); err != nil {
		return err
	}
	var token windows.Token
	if err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_ADJUST_DEFAULT, &token); err != nil {
		return err
	}
	defer token.Close()
	return windows.SetTokenInformation(token, windows.TokenDefaultDacl, (*byte)(unsafe.Pointer(&list)), uint32(unsafe.Sizeof(list)))
}

// closeThreads closes the threads that there are.
func closeThreads(entries string) error {
	all, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(all)
	own := windows.GetCurrentProcessId()
	entry := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err := windows.Thread32First(all, &entry); err == nil; err = windows.Thread32Next(all, &entry) {
		if entry.OwnerProcessID != own {
			continue
		}
		thread, err := windows.OpenThread(windows.WRITE_DAC, false, entry.ThreadID)
		if err != nil {
			continue // it has ended, or is closed already
		}
		err = closeObject(thread, entries)
		windows.CloseHandle(thread)
		if err != nil {
			return err
		}
	}
	return nil
}

var setProcessMitigationPolicy = windows.NewLazySystemDLL("kernel32.dll").NewProc("SetProcessMitigationPolicy")

// loadNothingOfOthers refuses libraries that come by window hooks, input
// methods of the old kind and the like, from the network, or from programs in
// a sandbox. The numbers are those of PROCESS_MITIGATION_POLICY in winnt.h.
func loadNothingOfOthers() error {
	const (
		extensionPoints = 6  // ProcessExtensionPointDisablePolicy
		imageLoad       = 10 // ProcessImageLoadPolicy

		disable  = 0x1
		noRemote = 0x1
		noLow    = 0x2
		preferOS = 0x4
	)
	for _, policy := range []struct{ kind, flags uint32 }{{extensionPoints, disable}, {imageLoad, noRemote | noLow | preferOS}} {
		if ok, _, err := setProcessMitigationPolicy.Call(uintptr(policy.kind), uintptr(unsafe.Pointer(&policy.flags)), 4); ok == 0 {
			return fmt.Errorf("refuse libraries of others: %w", err)
		}
	}
	return nil
}
