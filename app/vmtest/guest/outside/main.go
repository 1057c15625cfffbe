// outside is the guest's network: the other computer that programs in the
// guest talk to. It answers HTTP on port 80 with "ok", DNS on port 53 (every
// name ending in .test is 10.99.0.2) and echoes UDP on port 7. It appends one
// line to its log for each connection or datagram that arrived.
//
//	outside serve LOG        in the namespace "outside"
//	outside udp ADDR:PORT    send one datagram, print the answer
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "udp":
		err = ask(os.Args[2])
	default:
		err = fmt.Errorf("usage: outside serve LOG | udp ADDR:PORT")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "outside:", err)
		os.Exit(1)
	}
}

func ask(address string) error {
	c, err := net.DialTimeout("udp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.WriteString(c, "ok"); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := c.Read(answer)
	fmt.Println(string(answer[:n]))
	return err
}

// arrivals is the log of what arrived.
type arrivals struct {
	mu   sync.Mutex
	file *os.File
}

func (a *arrivals) note(what string, from net.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintln(a.file, what, from)
}

func serve(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	log := &arrivals{file: file}
	web, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	failed := make(chan error, 3)
	go func() { failed <- serveDatagrams(":53", "dns", dnsAnswer, log) }()
	go func() { failed <- serveDatagrams(":7", "udp", func(q []byte) []byte { return q }, log) }()
	go func() {
		failed <- (&http.Server{
			ConnState: func(c net.Conn, s http.ConnState) {
				if s == http.StateNew {
					log.note("tcp", c.RemoteAddr())
				}
			},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") }),
		}).Serve(web)
	}()
	return <-failed
}

func serveDatagrams(address, what string, answer func([]byte) []byte, log *arrivals) error {
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	for {
		b := make([]byte, 1500)
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		log.note(what, from)
		if a := answer(b[:n]); a != nil {
			c.WriteTo(a, from)
		}
	}
}

// dnsAnswer answers A questions for names in .test with 10.99.0.2, and others
// with an empty answer.
func dnsAnswer(query []byte) []byte {
	if len(query) < 17 {
		return nil
	}
	end, name := 12, ""
	for end < len(query) && query[end] != 0 {
		size := int(query[end])
		if end+1+size > len(query) {
			return nil
		}
		name += string(query[end+1:end+1+size]) + "."
		end += 1 + size
	}
	if end+5 > len(query) {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	reply := append([]byte{}, query[:end+5]...)
	reply[2], reply[3] = 0x81, 0x80
	binary.BigEndian.PutUint16(reply[6:], 0)
	binary.BigEndian.PutUint32(reply[8:], 0) // no authority, no additional records
	if kind == 1 && strings.HasSuffix(name, ".test.") {
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 99, 0, 2)
	}
	return reply
}
