package main

import (
	"encoding/binary"
	"encoding/json"
	"math/rand"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func tcpOp(ip string, tmo time.Duration) func(w, i int, t *errTab) (int64, int64) {
	sas := make([]syscall.RawSockaddrInet4, tcpPorts)
	for i := range sas {
		sas[i] = addr4(ip, tcpBase+i)
	}
	off := rand.Intn(tcpPorts)
	bufs := make([][64]byte, 64)
	return func(w, i int, t *errTab) (int64, int64) {
		b := bufs[w][:]
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.add("socket", err.(syscall.Errno))
			return -1, -1
		}
		setTimeouts(fd, tmo)
		t0 := time.Now()
		if e := sysConnect(fd, &sas[(off+w+i)%tcpPorts]); e != 0 {
			t.add("connect", e)
			syscall.Close(fd)
			return -1, -1
		}
		t1 := time.Now()
		b[0] = 'x'
		if _, e := sysWrite(fd, b[:1]); e != 0 {
			t.add("write", e)
		}
		n, e := sysRead(fd, b[:8])
		t2 := time.Now()
		if e != 0 || n != 1 {
			t.add("read", e)
			syscall.Close(fd)
			return -1, -1
		}
		sysRead(fd, b[:8]) // end of file: the server closed first
		syscall.Close(fd)
		return t1.Sub(t0).Nanoseconds(), t2.Sub(t0).Nanoseconds()
	}
}

func udpOp(ip string, port int, payload []byte, tmo time.Duration) func(w, i int, t *errTab) (int64, int64) {
	sa := addr4(ip, port)
	bufs := make([][2048]byte, 64)
	return func(w, i int, t *errTab) (int64, int64) {
		b := bufs[w][:]
		t0 := time.Now()
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.add("socket", err.(syscall.Errno))
			return -1, -1
		}
		setTimeouts(fd, tmo)
		if e := sysConnect(fd, &sa); e != 0 {
			t.add("connect", e)
			syscall.Close(fd)
			return -1, -1
		}
		if _, e := sysWrite(fd, payload); e != 0 {
			t.add("send", e)
			syscall.Close(fd)
			return -1, -1
		}
		_, e := sysRead(fd, b)
		t1 := time.Now()
		syscall.Close(fd)
		if e != 0 {
			t.add("recv", e)
			return -1, -1
		}
		l := t1.Sub(t0).Nanoseconds()
		return l, l
	}
}

func bulk(ip string, d time.Duration, rx bool) {
	port := bulkPort
	if rx {
		port = rxPort
	}
	sa := addr4(ip, port)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		die("socket: %v", err)
	}
	setTimeouts(fd, 5*time.Second)
	if e := sysConnect(fd, &sa); e != 0 {
		die("connect: %v", e)
	}
	buf := make([]byte, 256<<10)
	time.Sleep(50 * time.Millisecond)
	t0 := time.Now()
	c0 := cpuNow()
	end := t0.Add(d)
	var tot uint64
	for time.Now().Before(end) {
		var n int
		var e syscall.Errno
		if rx {
			n, e = sysRead(fd, buf)
		} else {
			n, e = sysWrite(fd, buf)
		}
		if e != 0 || n <= 0 {
			die("bulk: %v", e)
		}
		tot += uint64(n)
	}
	if !rx {
		syscall.Shutdown(fd, syscall.SHUT_WR)
		n, e := sysRead(fd, buf[:8])
		if n != 8 || e != 0 {
			die("bulk end: %v", e)
		}
		tot = binary.LittleEndian.Uint64(buf[:8])
	}
	el := time.Since(t0).Seconds()
	m := "bulk"
	if rx {
		m = "bulk-rx"
	}
	out(result{Mode: m, C: 1, Secs: el, N: 1, MBps: float64(tot) / el / 1e6, CliCPUus: cpuNow() - c0})
	syscall.Close(fd)
}

// spawn makes every connection from a process that is new: what a firewall
// that looks up the executable of each connection cannot answer from a cache
// of known processes. The latency is the child's own view of connect().
func spawn(ip string, c int, d, tmo time.Duration) {
	self, err := os.Executable()
	if err != nil {
		die("%v", err)
	}
	run("spawn", c, d, func(w, i int, t *errTab) (int64, int64) {
		b, err := exec.Command(self, "once", "-ip", ip, "-timeout", tmo.String()).Output()
		var r result
		if err != nil || json.Unmarshal(b, &r) != nil || r.N != 1 || len(r.Errs) > 0 {
			t.Lock()
			t.m["child"]++
			for k, v := range r.Errs {
				t.m[k] += v
			}
			t.Unlock()
			return -1, -1
		}
		return int64(r.P50 * 1000), int64(r.TxP50 * 1000)
	})
}
