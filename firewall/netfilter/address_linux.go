package netfilter

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

// Addresses are kept in the kernel's maps as the bytes of v6 or v4-mapped
// addresses, read as four numbers of this machine.

func address(words [4]uint32) netip.Addr {
	var b [16]byte
	for i, w := range words {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	return netip.AddrFrom16(b).Unmap()
}

func addressWords(a netip.Addr) (words [4]uint32) {
	b := a.As16()
	for i := range words {
		words[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return words
}

// flow is the flow as far as the remote tells it. Of ICMP the kernel has the
// type, plus 1, in the place of the port.
func (r kernelRemote) flow() firewall.Flow {
	f := firewall.Flow{Protocol: firewall.Protocol(r.Protocol), Remote: netip.AddrPortFrom(address(r.Address), r.Port)}
	if f.Protocol == firewall.ICMP {
		f.ICMP, f.Remote = r.Port, netip.AddrPortFrom(f.Remote.Addr(), 0)
	}
	if r.Stays&inward != 0 {
		f.Direction = firewall.In
		f.Local, f.Remote = netip.AddrPortFrom(netip.Addr{}, f.Remote.Port()), netip.AddrPortFrom(f.Remote.Addr(), 0)
	}
	return f
}

// remoteOf is what the kernel side knows a flow's destination by.
func remoteOf(f firewall.Flow) kernelRemote {
	to := f.Destination()
	r := kernelRemote{Address: addressWords(to.Addr()), Port: to.Port(), Protocol: uint8(f.Protocol)}
	if f.Direction == firewall.In {
		r.Stays = inward
	}
	if f.Protocol == firewall.ICMP {
		r.Port = f.ICMP
	}
	return r
}

// flowKey is what the kernel side knows a flow of the socket by.
func flowKey(cookie uint64, f firewall.Flow) kernelFlow {
	key := kernelFlow{Cookie: cookie, Remote: remoteOf(f)}
	if f.Direction == firewall.In {
		key.Origin = uint32(f.Remote.Port())
	}
	return key
}

// bootTime is when the system started, as the process table tells it: whole
// seconds, so that start times of processes agree with other programs'.
var bootTime = sync.OnceValue(func() time.Time {
	text, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(text)) {
		if s, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, _ := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			return time.Unix(seconds, 0)
		}
	}
	return time.Time{}
})

// startTime turns a process's start in ns since boot into a time, in the
// steps of the process table: hundredths of a second.
func startTime(ns uint64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	const tick = uint64(10 * time.Millisecond)
	return bootTime().Add(time.Duration(ns / tick * tick))
}

// bootTimeOf turns a time into ns since boot; the zero time is 0.
func bootTimeOf(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(1, sinceBoot()+int64(time.Until(t))))
}

// wallClock is the time of day at a moment in ns since boot.
func wallClock(ns uint64) time.Time {
	for tries := 0; ; tries++ {
		before := sinceBoot()
		now := time.Now()
		after := sinceBoot()
		// Whoever is interrupted between two clocks believes in a wrong distance of them.
		if after-before < int64(time.Millisecond) || tries == 10 {
			return now.Add(-time.Duration(after - int64(ns)))
		}
	}
}

// sinceBoot is the time now, in ns since boot.
func sinceBoot() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err) // it is there since Linux 2.6.39
	}
	return now.Nano()
}
