//go:build linux

// Talk is a program that uses the network as it is told to. Each argument,
// then each line of standard input, is a command; each command gives one line
// of JSON. The tests run copies of it as programs that nobody has seen before.
//
//	open KIND            a socket: tcp4 tcp6 mptcp4 mptcp6 udp4 udp6 udplite4 udplite6 ping4 ping6 raw4/PROTOCOL raw6/PROTOCOL
//	bind ADDRESS
//	connect ADDRESS      blocks as the kernel does
//	send TEXT            over a connected socket; \n is a new line
//	sendto ADDRESS TEXT
//	recv                 waits up to 10 s
//	drain                reads until the connection ends
//	close
//
// and those of more.go.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type result struct {
	Command string
	Error   string        // the errno's name, or what else went wrong
	Text    string        // what was received
	Began   time.Time     // when the system call was made
	Ended   time.Time     // and when it returned
	Took    time.Duration // between the two
}

var kinds = map[string][3]int{
	"tcp4":     {syscall.AF_INET, syscall.SOCK_STREAM, 0},
	"tcp6":     {syscall.AF_INET6, syscall.SOCK_STREAM, 0},
	"mptcp4":   {syscall.AF_INET, syscall.SOCK_STREAM, 262},
	"mptcp6":   {syscall.AF_INET6, syscall.SOCK_STREAM, 262},
	"udp4":     {syscall.AF_INET, syscall.SOCK_DGRAM, 0},
	"udp6":     {syscall.AF_INET6, syscall.SOCK_DGRAM, 0},
	"udplite4": {syscall.AF_INET, syscall.SOCK_DGRAM, 136},
	"udplite6": {syscall.AF_INET6, syscall.SOCK_DGRAM, 136},
	"ping4":    {syscall.AF_INET, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMP},
	"ping6":    {syscall.AF_INET6, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMPV6},
}

var socket = -1

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, command := range os.Args[1:] {
		out.Encode(run(command))
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		out.Encode(run(lines.Text()))
	}
}

func run(command string) result {
	r := result{Command: command}
	verb, rest, _ := strings.Cut(command, " ")
	var err error
	r.Began = time.Now()
	switch verb {
	case "open":
		err = open(rest)
	case "bind":
		var at syscall.Sockaddr
		if at, err = address(rest); err == nil {
			err = syscall.Bind(socket, at)
		}
	case "connect":
		var to syscall.Sockaddr
		if to, err = address(rest); err == nil {
			r.Began = time.Now()
			err = syscall.Connect(socket, to)
		}
	case "send":
		_, err = syscall.Write(socket, []byte(strings.ReplaceAll(rest, `\n`, "\n")))
	case "sendto":
		where, text, _ := strings.Cut(rest, " ")
		var to syscall.Sockaddr
		if to, err = address(where); err == nil {
			r.Began = time.Now()
			err = syscall.Sendto(socket, []byte(text), 0, to)
		}
	case "recv":
		b := make([]byte, 64<<10)
		var n int
		// The runtime's own signals end a receive that has a time limit.
		for err = error(syscall.EINTR); err == syscall.EINTR; {
			n, _, err = syscall.Recvfrom(socket, b, 0)
		}
		r.Text = string(b[:max(n, 0)])
	case "drain":
		b := make([]byte, 64<<10)
		for n := 1; n > 0 && err == nil; {
			if n, err = syscall.Read(socket, b); err == syscall.EINTR {
				n, err = 1, nil
			}
		}
	case "close":
		err = syscall.Close(socket)
	default:
		if f, ok := more[verb]; ok {
			r.Text, err = f(rest)
		} else {
			err = errors.New("unknown command")
		}
	}
	r.Ended = time.Now()
	r.Took = r.Ended.Sub(r.Began)
	if err != nil {
		r.Error = name(err)
	}
	return r
}

func open(kind string) error {
	k, ok := kinds[kind]
	if raw, protocol, _ := strings.Cut(kind, "/"); !ok {
		number, err := strconv.Atoi(protocol)
		if err != nil {
			return fmt.Errorf("unknown kind %q", kind)
		}
		k = [3]int{syscall.AF_INET, syscall.SOCK_RAW, number}
		if raw == "raw6" {
			k[0] = syscall.AF_INET6
		}
	}
	fd, err := syscall.Socket(k[0], k[1]|syscall.SOCK_CLOEXEC, k[2])
	if err != nil {
		return err
	}
	socket = fd
	return syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 10})
}

func address(text string) (syscall.Sockaddr, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, err
	}
	if a.Addr().Is4() {
		return &syscall.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, nil
	}
	to := &syscall.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	if zone := a.Addr().Zone(); zone != "" {
		at, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, err
		}
		to.ZoneId = uint32(at.Index)
	}
	return to, nil
}

var names = map[syscall.Errno]string{
	syscall.EPERM: "EPERM", syscall.ECONNREFUSED: "ECONNREFUSED", syscall.ECONNABORTED: "ECONNABORTED",
	syscall.ECONNRESET: "ECONNRESET", syscall.ETIMEDOUT: "ETIMEDOUT", syscall.EHOSTUNREACH: "EHOSTUNREACH",
	syscall.EAGAIN: "EAGAIN", syscall.ENOTCONN: "ENOTCONN", syscall.EACCES: "EACCES", syscall.ENETUNREACH: "ENETUNREACH",
}

func name(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) && names[e] != "" {
		return names[e]
	}
	return err.Error()
}
