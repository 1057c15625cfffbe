package ui

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport.dev/sallyport/assets"
	"sallyport.dev/sallyport/firewall"
)

// maxShown bounds, in characters, any name that comes from a program or from
// the network.
const maxShown = 200

// shown makes a name from a program or from the network fit to be read: what
// is not printable, among them control characters and those that turn the
// direction of writing, becomes "□" (which our font has), and what is too long
// is cut.
func shown(s string) string { return readable(s, maxShown) }

// shownWhole is shown for a sentence that may hold several names.
func shownWhole(s string) string { return readable(s, 5*maxShown) }

func readable(s string, most int) string {
	if len(s) <= most && isPlain(s) {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != ' ' {
			r = '□'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// programName is what a program is called: the end of its path.
func programName(program, name string) string {
	switch {
	case program == "":
		return textUnidentified
	case name != "":
		return shown(name)
	case program == firewall.AnyProgram:
		return textAnyProgram
	case program == firewall.KernelProgram:
		return textKernel
	}
	if title, _, ok := subjectText(program); ok {
		return title
	}
	return shown(lastPart(programFile(program)))
}

// programDetail is the line below a program's name.
func programDetail(program string) string {
	switch {
	case program == firewall.AnyProgram:
		return textAnyProgramDetail
	case program == firewall.KernelProgram:
		return textKernelDetail
	case program == "":
		return textUnidentifiedDetail
	case strings.HasPrefix(program, "foreign:"):
		return textForeignDetail + " · " + shown(programFile(program))
	}
	if _, detail, ok := subjectText(program); ok {
		return detail
	}
	return shown(program)
}

// destination is where a flow goes: the host name if it is known, else the
// address, and the port.
func destination(host, remote string, port uint16) string {
	name := shown(remote)
	if host != "" {
		name = shown(host)
	}
	if port == 0 {
		return name
	}
	return net.JoinHostPort(name, strconv.Itoa(int(port)))
}

// portName is a port with the name that IANA assigned to it: "443 (https)".
func portName(p firewall.Protocol, port uint16) string {
	n := strconv.Itoa(int(port))
	if service := assets.Service(p.String(), port); service != "" {
		return n + " (" + service + ")"
	}
	return n
}

func protocolName(p firewall.Protocol) string { return strings.ToUpper(p.String()) }

func directionName(d firewall.Direction) string {
	if d == firewall.In {
		return "In"
	}
	return "Out"
}

// reasonText says why a flow was decided as it was.
func reasonText(reason string) string {
	switch firewall.Reason(reason) {
	case firewall.ByRule:
		return "By rule"
	case firewall.ByAnswer:
		return "Answered once"
	case firewall.ByMode:
		return "By mode"
	case firewall.ByZone:
		return "Blocked address"
	case firewall.Unanswered:
		return "Not answered"
	case firewall.TooMany:
		return "Too many questions"
	case firewall.Existing:
		return "Older than engine"
	case firewall.Stopping:
		return "Engine stopped"
	case firewall.HandedBack:
		return "Firewall stopped"
	case firewall.Overflow:
		return "Queue full"
	case firewall.NotParsed:
		return "Not understood"
	case firewall.PassedOn:
		return "Socket passed on"
	case firewall.Gone:
		return "Gave up waiting"
	case firewall.Asked:
		return "Waiting"
	case firewall.ConfigChange:
		return "Change"
	}
	return shown(reason)
}

// verdictText is the word on a log line's pill.
func verdictText(verdict string) (string, tone) {
	switch verdict {
	case "allow":
		return "Allowed", good
	case "block":
		return "Blocked", bad
	case "ask":
		return "Asked", attention
	}
	return "Change", plain
}

// ruleVerdictText is the word on a rule's pill.
func ruleVerdictText(v firewall.Verdict) (string, tone) {
	switch v {
	case firewall.Allow:
		return "Allow", good
	case firewall.Ask:
		return "Ask", attention
	}
	return "Block", bad
}

// ruleScopeText says which flows a rule is about, apart from its program.
func ruleScopeText(r Rule) string {
	var parts []string
	what := "anywhere"
	switch {
	case r.Host != "" && r.Remote != "":
		what = shown(r.Host) + " at " + shown(r.Remote)
	case r.Host != "":
		what = shown(r.Host)
	case r.Remote == "loopback":
		what = "this computer"
	case r.Remote == "resolvers":
		what = "the DNS resolvers"
	case r.Remote == "trusted":
		what = "trusted networks"
	case r.Remote == "internet":
		what = "the internet"
	case r.Remote != "":
		what = shown(r.Remote)
	}
	if r.Direction == firewall.In {
		parts = append(parts, "From "+what)
	} else {
		parts = append(parts, "To "+what)
	}
	if r.Port != 0 {
		if r.PortTo != 0 {
			parts = append(parts, fmt.Sprintf("ports %d to %d", r.Port, r.PortTo))
		} else {
			parts = append(parts, "port "+portName(r.Protocol, r.Port))
		}
	}
	switch {
	case r.LocalPort == 0:
	case r.Direction == firewall.In:
		parts = append(parts, "at port "+portName(r.Protocol, r.LocalPort))
	default:
		parts = append(parts, "local port "+strconv.Itoa(int(r.LocalPort)))
	}
	if r.Protocol != firewall.AnyProtocol {
		parts = append(parts, protocolName(r.Protocol))
	}
	if r.ICMPType != 0 {
		parts = append(parts, r.ICMPType.String())
	}
	if r.User != "" {
		parts = append(parts, "of user "+shown(r.User))
	}
	if r.PassLock {
		parts = append(parts, "also when locked")
	}
	if r.StartedBy != "" {
		parts = append(parts, "when started by "+shown(r.StartedBy))
	}
	return strings.Join(parts, ", ")
}

// untilText says how long a rule lasts.
func untilText(until string) string {
	if until == "" || until == "always" {
		return "Always"
	}
	if until == "restart" {
		return untilRestart
	}
	if pid, ok := strings.CutPrefix(until, "exit:"); ok {
		return "Until process " + shown(pid) + " exits"
	}
	if t, err := time.Parse(time.RFC3339, until); err == nil {
		return "Until " + momentText(t)
	}
	return shown(until)
}

// momentText is a time as a person at this computer reads it.
func momentText(t time.Time) string { return t.Local().Format("2 Jan 2006, 15:04") }

// countText groups a number's digits: 18204 is "18 204".
func countText(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// plural is "1 rule" or "3 rules".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return countText(uint64(n)) + " " + many
}

// errorText is an error as a sentence.
func errorText(err error) string {
	s := err.Error()
	switch {
	case errors.Is(err, ErrGone):
		s = textGone
	case s == "":
		s = "something failed without saying why"
	}
	return fullStop(sentence(s))
}

// fullStop ends a sentence.
func fullStop(s string) string {
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// sentence begins a text with a capital letter.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// sharePercent says which part of all something is, "97.1 %".
func sharePercent(part, all uint64) string {
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(all))
}

const (
	textAnyProgram         = "Any program"
	textAnyProgramDetail   = "Every program, also those that cannot be identified"
	textKernel             = "Kernel"
	textKernelDetail       = "Traffic that no program sent"
	textUnidentified       = "Unidentified program"
	textUnidentifiedDetail = "Nobody can say which program this was"
	textForeignDetail      = "Not the file that this computer has at this path"

	textGone      = "The engine does not answer."
	textRestart   = "Restart engine"
	textRecover   = "Recover…"
	textRecovered = "Everything of Sallyport was removed from the network; nothing is filtered."
)
