package link

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
)

var impersonateNamedPipeClient = windows.NewLazySystemDLL("advapi32.dll").NewProc("ImpersonateNamedPipeClient")

// The integrity levels of Windows, as in winnt.h.
const (
	mediumIntegrity = 0x2000 // ordinary programs; sandboxes are below
	highIntegrity   = 0x3000 // elevated programs
)

// namePipe asks the system who opened the pipe. The peer's rights are those that
// it had when it opened the pipe and that the process with the number which the
// pipe names has, too.
func namePipe(c net.Conn) (_ net.Conn, p Peer, err error) {
	defer func() {
		if err != nil {
			p.process.close()
			err = fmt.Errorf("name the peer: %w", err)
		}
	}()
	handle, err := pipeHandle(c)
	if err != nil {
		return nil, p, err
	}
	var pid, session uint32
	if err := windows.GetNamedPipeClientProcessId(handle, &pid); err != nil {
		return nil, p, err
	}
	p.UID, p.PID = -1, int(pid)
	if p.process, err = openProcess(p.PID); err != nil {
		return nil, p, err
	}
	if err := windows.ProcessIdToSessionId(pid, &session); err != nil {
		return nil, p, err
	}
	p.Session = strconv.Itoa(int(session))
	token, err := clientToken(handle)
	if err != nil {
		return nil, p, err
	}
	defer token.Close()
	opened, err := rightsOf(token)
	if err != nil {
		return nil, p, err
	}
	runs, err := p.process.rights()
	if err != nil {
		return nil, p, err
	}
	if opened.user != runs.user || opened.logon != runs.logon {
		return nil, p, errors.New("its process is another one now")
	}
	p.User, p.Admin, p.LoggedOn = opened.user, opened.admin && runs.admin, opened.loggedOn && runs.loggedOn
	p.look()
	if !p.alive() {
		return nil, p, errors.New("it has ended")
	}
	return c, p, nil
}

// clientToken returns the token with which the other end of a pipe opened it.
func clientToken(pipe windows.Handle) (token windows.Token, err error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		if ok, _, errno := impersonateNamedPipeClient.Call(uintptr(pipe)); ok == 0 {
			runtime.UnlockOSThread()
			err = errno
			return
		}
		err = windows.OpenThreadToken(windows.CurrentThread(), windows.TOKEN_QUERY, true, &token)
		// A thread that cannot become itself again ends with this goroutine.
		if windows.RevertToSelf() == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-ended
	if err != nil {
		return 0, fmt.Errorf("read its token: %w", err)
	}
	return token, nil
}

// rights are what a token says of who has it.
type rights struct {
	user            string // its SID
	logon           windows.LUID
	admin, loggedOn bool // see [Peer]
}

// rightsOf reads a token of the kind that threads have.
func rightsOf(token windows.Token) (r rights, err error) {
	user, err := token.GetTokenUser()
	if err != nil {
		return r, fmt.Errorf("read its user: %w", err)
	}
	r.user = user.User.Sid.String()
	if r.logon, err = logon(token); err != nil {
		return r, err
	}
	level, err := integrity(token)
	if err != nil {
		return r, err
	}
	administrator, err := isMember(token, windows.WinBuiltinAdministratorsSid)
	if err != nil {
		return r, err
	}
	interactive, err := isMember(token, windows.WinInteractiveSid)
	if err != nil {
		return r, err
	}
	r.admin = level >= highIntegrity && (administrator || user.User.Sid.IsWellKnown(windows.WinLocalSystemSid))
	r.loggedOn = level >= mediumIntegrity && interactive
	return r, nil
}

// rights reads the token of the process.
func (p *process) rights() (rights, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var own, copied windows.Token
	if err := windows.OpenProcessToken(p.handle, windows.TOKEN_QUERY|windows.TOKEN_DUPLICATE, &own); err != nil {
		return rights{}, fmt.Errorf("read the token of its process: %w", err)
	}
	defer own.Close()
	if err := windows.DuplicateTokenEx(own, windows.TOKEN_QUERY, nil, windows.SecurityIdentification, windows.TokenImpersonation, &copied); err != nil {
		return rights{}, fmt.Errorf("read the token of its process: %w", err)
	}
	defer copied.Close()
	return rightsOf(copied)
}

func isMember(token windows.Token, group windows.WELL_KNOWN_SID_TYPE) (bool, error) {
	sid, err := windows.CreateWellKnownSid(group)
	if err != nil {
		return false, fmt.Errorf("name a group: %w", err)
	}
	is, err := token.IsMember(sid)
	if err != nil {
		return false, fmt.Errorf("read its groups: %w", err)
	}
	return is, nil
}

// integrity is the level of trust that Windows has in a token.
func integrity(token windows.Token) (uint32, error) {
	var label struct {
		windows.Tokenmandatorylabel
		sid [8]uint64
	}
	var size uint32
	err := windows.GetTokenInformation(token, windows.TokenIntegrityLevel, (*byte)(unsafe.Pointer(&label)), uint32(unsafe.Sizeof(label)), &size)
	if err != nil {
		return 0, fmt.Errorf("read its integrity: %w", err)
	}
	sid := label.Label.Sid
	if sid == nil || sid.SubAuthorityCount() == 0 {
		return 0, errors.New("read its integrity: there is none")
	}
	return sid.SubAuthority(uint32(sid.SubAuthorityCount()) - 1), nil
}

// logon names the logon session of a token.
func logon(token windows.Token) (windows.LUID, error) {
	var statistics struct {
		tokenID, authenticationID windows.LUID
		_                         [10]uint32
	}
	var size uint32
	err := windows.GetTokenInformation(token, windows.TokenStatistics, (*byte)(unsafe.Pointer(&statistics)), uint32(unsafe.Sizeof(statistics)), &size)
	if err != nil {
		return windows.LUID{}, fmt.Errorf("read its logon: %w", err)
	}
	return statistics.authenticationID, nil
}

// look fills in what the process is now.
func (p *Peer) look() {
	p.Started = startTicks(p.PID)
	p.Program, _ = p.process.program(pathForPeople)
}

// GroupID finds no group: Windows lets in who is logged on.
func GroupID(string) int { return -1 }
