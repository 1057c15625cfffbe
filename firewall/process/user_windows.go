package process

import (
	"time"

	"golang.org/x/sys/windows"
)

// UserOf is the SID of the user of a process that started then; "" if it is
// not known.
func UserOf(pid int, started time.Time) string {
	p, err := open(pid)
	if err != nil {
		return ""
	}
	defer p.close()
	if !p.started.Equal(started) {
		return ""
	}
	var token windows.Token
	if err := windows.OpenProcessToken(p.Handle, windows.TOKEN_QUERY, &token); err != nil {
		return ""
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return ""
	}
	return user.User.Sid.String()
}
