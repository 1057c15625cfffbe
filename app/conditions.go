package app

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"

	"sallyport.dev/sallyport/ui"
)

// ports are the remote ports of a rule that has some.
func ports(r ui.Rule) string {
	s := strconv.Itoa(int(r.Port))
	if r.PortTo != 0 {
		s += "-" + strconv.Itoa(int(r.PortTo))
	}
	return s
}

// portsIn reads a port or a range of ports; "", "any" and 0 are any.
func portsIn(s string) (first, last uint16, err error) {
	if s == "" || s == "any" || s == "0" {
		return 0, 0, nil
	}
	from, to, ranged := strings.Cut(s, "-")
	a, err := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
	b, err2 := a, error(nil)
	if ranged {
		b, err2 = strconv.ParseUint(strings.TrimSpace(to), 10, 16)
	}
	if err != nil || err2 != nil || a == 0 || b < a {
		return 0, 0, fmt.Errorf("port %q: want a port from 1 to 65535, or a range such as 8000-8999", s)
	}
	if a == b {
		b = 0
	}
	return uint16(a), uint16(b), nil
}

// userIn reads a user's name, number or SID as rules have it; "" is any.
func userIn(s string) (string, error) {
	if _, err := strconv.ParseUint(s, 10, 32); s == "" || err == nil || strings.HasPrefix(s, "S-1-") {
		return s, nil
	}
	u, err := user.Lookup(s)
	if err != nil {
		return "", fmt.Errorf("user %q: this computer has no such user", s)
	}
	return u.Uid, nil
}
