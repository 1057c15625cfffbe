package assets

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

//go:embed services.txt
var registry string

type port struct {
	protocol byte // first letter
	number   uint16
}

var services = sync.OnceValue(func() map[port]string {
	names := make(map[port]string)
	for line := range strings.Lines(registry) {
		fields := strings.Fields(line)
		first, last, isRange := strings.Cut(fields[0], "-")
		if !isRange {
			last = first
		}
		from, _ := strconv.Atoi(first)
		to, _ := strconv.Atoi(last)
		for n := from; n <= to; n++ {
			for _, letter := range []byte(fields[1]) {
				names[port{letter, uint16(n)}] = fields[2]
			}
		}
	}
	return names
})

// Service returns the name that IANA assigned to a port of a protocol ("tcp",
// "udp", "sctp", "dccp"), such as "https", or "" if there is none.
func Service(protocol string, number uint16) string {
	switch protocol {
	case "tcp", "udp", "sctp", "dccp":
		return services()[port{protocol[0], number}]
	case "udplite":
		return services()[port{'u', number}]
	}
	return ""
}
