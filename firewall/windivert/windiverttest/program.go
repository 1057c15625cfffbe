package windiverttest

import (
	"net"
	"net/netip"
	"time"
)

// What the program and the server say to each other.
const (
	hello   = "hello"
	Welcome = "welcome"
)

// Dial is what a program on the network does: it connects to the server, greets
// it, and returns the server's answer, or why there is none.
func Dial(from, to netip.AddrPort) string {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from), Timeout: time.Minute}
	conn, err := d.Dial("tcp", to.String())
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(hello)); err != nil {
		return err.Error()
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	if err != nil {
		return err.Error()
	}
	return string(answer[:n])
}
