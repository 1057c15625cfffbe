package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"

	"sallyport.dev/sallyport/firewall"
)

// The states of a Prompt.
const (
	promptWaiting    = "waiting"
	promptUnanswered = "unanswered"
)

const (
	textAllow = "Allow"
	textDeny  = "Deny"
	textLater = "Later"
	textMore  = "More…"

	textAnswerLate = "Blocked, unanswered. Answers hold for the next try."
	textAnswering  = "Answering…"

	textServer = "to let others connect to it"
)

// promptTitle says what the program wants.
func promptTitle(p Prompt) string {
	name := programName(p.Program, p.Name)
	if strings.HasPrefix(p.Program, "container:") || firewall.IsLocalResolver(p.Program) && strings.HasPrefix(p.Program, "/") {
		name = shown(lastPart(p.Program)) // the line below says the rest, and has room
	}
	if p.Direction == firewall.In {
		return name + " wants to accept connections"
	}
	return name + " wants to connect"
}

// zoneText names a zone that a rule may name; "" for others.
func zoneText(z firewall.Zone) string {
	switch z {
	case firewall.TrustedZone:
		return "trusted networks"
	case firewall.InternetZone:
		return "the internet"
	}
	return ""
}

// promptWhere says where a program wants to connect to, or who connects to it.
func promptWhere(p Prompt) string {
	if p.Direction == firewall.In {
		return "From " + destination(p.Host, p.Remote, 0)
	}
	return "To " + destination(p.Host, p.Remote, p.Port)
}

// promptWarning says what is worrying about the program, or "".
func promptWarning(p Prompt) string {
	about := shown(p.About)
	switch {
	case p.OnlyOnce && about != "":
		return "Not identified (" + about + "), so it can only be answered once"
	case p.OnlyOnce:
		return "Not identified, so it can only be answered once"
	case p.Inline:
		return "Runs no known script: " + about
	case about == "":
		return ""
	case p.Changed:
		return strings.ToUpper(about[:1]) + about[1:]
	case strings.HasPrefix(about, "deleted"):
		return "The file of this program was deleted or replaced"
	default:
		return "Not this computer's own program: " + about
	}
}

// textMoreFacts stands for facts that have no room in a prompt.
func textMoreFacts(n int) string { return "and " + strconv.Itoa(n) + " more, in the log" }

// secondsLeft is the time until the deadline, in seconds rounded up.
func secondsLeft(p Prompt, now time.Time) int {
	return max(0, int(math.Ceil(p.Deadline.Sub(now).Seconds())))
}

// countdownText says what happens, and when, if nobody answers.
func countdownText(p Prompt, now time.Time) string {
	if p.State == promptUnanswered {
		return textAnswerLate
	}
	return fmt.Sprintf("Blocked in %d s if unanswered", secondsLeft(p, now))
}

// denyText is the word on the button that also counts down.
func denyText(p Prompt, now time.Time) string {
	if p.State == promptUnanswered {
		return textDeny
	}
	return fmt.Sprintf("%s  (%d)", textDeny, secondsLeft(p, now))
}

// timeLeft is the part of the patience that is left, from 0 to 1.
func timeLeft(p Prompt, now time.Time) float32 {
	all := p.Deadline.Sub(p.Asked)
	if p.State == promptUnanswered || all <= 0 {
		return 0
	}
	return float32(min(1, max(0, p.Deadline.Sub(now).Seconds()/all.Seconds())))
}

// choice is a line of a menu and the word that an Answer has for it.
type choice struct{ text, word string }

// scopeChoices are the flows that an answer may cover, the default first.
func scopeChoices(p Prompt) []choice {
	if p.Changed { // what was decided for the path counts again
		return []choice{{"Anywhere, as before", "program"}}
	}
	host := "host"
	if p.Host == "" {
		host = "address"
	}
	choices := []choice{
		{"Anywhere, any port", "program"},
		{"This " + host + ", any port", "host"},
		{"Anywhere, only this port", "port"},
		{"Only this " + host + " and port", "destination"},
	}
	switch {
	case p.Direction == firewall.In:
		choices = []choice{
			{"From anywhere, any port", "program"},
			{"From this " + host + ", any port", "host"},
			{"From anywhere, this port", "port"},
			{"From this " + host + ", this port", "destination"},
		}
	case p.Port == 0:
		choices = []choice{{"Anywhere", "program"}, {"Only this " + host, "host"}}
	}
	if zone := zoneText(p.Zone); zone != "" {
		where := "Only " + zone + ", any port"
		if p.Direction == firewall.In {
			where = "From " + zone + ", any port"
		}
		choices = append(choices, choice{where, "zone"})
	}
	if p.StartedBy != "" {
		choices = append(choices, choice{"Only started by " + shown(lastPart(p.StartedBy)), "starter"})
	}
	if p.Signature != "" {
		choices = append(choices, choice{"Anywhere, all versions of it", "product"})
	}
	return choices
}

// durationChoices say how long an answer may hold, the default first.
func durationChoices(p Prompt) []choice {
	once := choice{"Just this once", "once"}
	if p.OnlyOnce || p.Inline && p.PID == 0 {
		return []choice{once}
	}
	if p.Changed {
		return []choice{{"Always", "always"}, once}
	}
	exit := choice{"Until it exits", "exit"}
	if p.Inline {
		return []choice{exit, once}
	}
	all := []choice{{"Always", "always"}, {"For 1 hour", "1h"}, {"Until restart", "restart"}}
	if p.PID != 0 {
		all = append(all, exit)
	}
	return append(all, once)
}

// fitMiddle shortens text in the middle until it is at most width wide: the
// beginning and the end of a path say most.
func fitMiddle(s string, width, size float32, style fyne.TextStyle) string {
	if fyne.MeasureText(s, size, style).Width <= width {
		return s
	}
	r := []rune(s)
	low, high := 0, len(r) // the number of characters kept
	for low < high {
		n := (low + high + 1) / 2
		if fyne.MeasureText(cutMiddle(r, n), size, style).Width <= width {
			low = n
		} else {
			high = n - 1
		}
	}
	return cutMiddle(r, low)
}

// cutMiddle keeps n characters, a third of them from the beginning.
func cutMiddle(r []rune, n int) string {
	return string(r[:n/3]) + "…" + string(r[len(r)-(n-n/3):])
}
