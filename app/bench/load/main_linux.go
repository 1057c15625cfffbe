// load makes and serves network load, to compare a computer with and without a
// firewall. It knows nothing of any firewall.
//
//	load server -ip 10.77.0.2                   serve until killed
//	load tcp    -ip 10.77.0.2 -c 16 -d 3s       short TCP connections
//	load udp    -ip 10.77.0.2 -c 1  -d 3s -port 7200   UDP query/answer, fresh socket each
//	load dns    -ip 10.77.0.2 -c 1  -d 3s       the same on port 53 with DNS shaped payloads
//	load bulk   -ip 10.77.0.2 -d 3s [-rx]       one established TCP connection
//	load spawn  -ip 10.77.0.2 -c 1 -d 3s        a fresh process for every TCP connection
//	load once   -ip 10.77.0.2                   one TCP connection, print its latency
//
// Every client mode prints one JSON object on one line.
//
// Sockets are plain blocking sockets driven by system calls from one OS thread
// for each worker: no event loop between the clock and the kernel.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	tcpBase  = 7000 // short connection ports tcpBase .. tcpBase+tcpPorts-1
	tcpPorts = 32
	bulkPort = 7100
	rxPort   = 7101
	udpPort  = 7200
	dnsPort  = 53
)

func die(f string, a ...any) { fmt.Fprintf(os.Stderr, "load: "+f+"\n", a...); os.Exit(1) }

func main() {
	if len(os.Args) < 2 {
		die("usage: load server|tcp|udp|dns|bulk|once [flags]")
	}
	mode := os.Args[1]
	if mode != "once" && os.Getenv("GODEBUG") == "" {
		// the runtime's preemption signals would interrupt the system calls
		if self, err := os.Executable(); err == nil {
			syscall.Exec(self, os.Args, append(os.Environ(), "GODEBUG=asyncpreemptoff=1"))
		}
	}
	fs := flag.NewFlagSet(mode, flag.ExitOnError)
	ip := fs.String("ip", "10.77.0.2", "server address")
	c := fs.Int("c", 1, "parallel workers (at most 64)")
	d := fs.Duration("d", 3*time.Second, "duration")
	tmo := fs.Duration("timeout", 3*time.Second, "connect and answer timeout")
	port := fs.Int("port", udpPort, "udp port")
	rx := fs.Bool("rx", false, "bulk: receive")
	fs.Parse(os.Args[2:])
	if *c > 64 || *c < 1 || *d > time.Minute {
		die("out of bounds")
	}
	// blocking calls hold their processor: give each worker one; no collector
	// (the result slices are allocated beforehand).
	runtime.GOMAXPROCS(*c + 2)
	debug.SetGCPercent(-1)
	switch mode {
	case "server":
		runtime.GOMAXPROCS(8)
		server(*ip)
	case "tcp":
		run("tcp", *c, *d, tcpOp(*ip, *tmo))
	case "udp":
		run("udp", *c, *d, udpOp(*ip, *port, make([]byte, 32), *tmo))
	case "dns":
		run("dns", *c, *d, udpOp(*ip, dnsPort, dnsQuery(0x1234), *tmo))
	case "bulk":
		bulk(*ip, *d, *rx)
	case "spawn":
		spawn(*ip, *c, *d, *tmo)
	case "once":
		et := &errTab{m: map[string]uint64{}}
		op := tcpOp(*ip, *tmo)
		t0 := time.Now().UnixNano()
		l, x := op(0, 0, et)
		if len(et.m) > 0 {
			out(result{Mode: "once", C: 1, Errs: et.m})
			os.Exit(1)
		}
		out(result{Mode: "once", C: 1, N: 1, P50: float64(l) / 1000, TxP50: float64(x) / 1000, Errs: et.m, T0ns: t0})
	default:
		die("unknown mode %q", mode)
	}
}
