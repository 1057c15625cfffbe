package uitest

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// Log implements [ui.Control].
func (c *Control) Log(_ context.Context, q ui.LogQuery) ([]ui.LogLine, error) {
	c.mu.Lock()
	made, added, err := c.made, c.added, c.reachable()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	newest := made + len(added)
	if q.Before != "" {
		before, err := strconv.Atoi(q.Before)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", q.Before, ui.ErrInvalid)
		}
		newest = min(newest, before-1)
	}
	var lines []ui.LogLine
	for id := newest; id > 0 && len(lines) < q.Limit; id-- {
		l := Line(id)
		if id > made {
			l = added[id-made-1]
		}
		if q.Matches(l) {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

var examples = []ui.LogLine{
	{Program: "/usr/lib/firefox/firefox", Name: "firefox", PID: 2211, UID: 1000, Protocol: firewall.TCP, Host: "mozilla.cloudflare-dns.com", Remote: "104.16.248.249", Port: 443, Verdict: "allow", Reason: "rule", Rule: "r1"},
	{Program: "/usr/lib/apt/methods/https", Name: "https", PID: 3150, Protocol: firewall.TCP, Host: "mirror.example.org", Remote: "151.101.86.132", Port: 443, Verdict: "allow", Reason: "rule", Rule: "r2"},
	{Program: "/usr/bin/telnet", Name: "telnet", PID: 4020, UID: 1000, Protocol: firewall.TCP, Remote: "185.220.101.4", Port: 23, Verdict: "block", Reason: "rule", Rule: "r3"},
	{Program: "/opt/slack/slack", Name: "slack", PID: 2890, UID: 1000, Protocol: firewall.UDP, Host: "wss-primary.slack.com", Remote: "52.89.90.67", Port: 443, Verdict: "allow", Reason: "answer"},
	{Program: "/opt/updater/bin/updater", Name: "updater", PID: 4821, Protocol: firewall.TCP, Remote: "198.51.100.20", Port: 8080, Verdict: "ask", Reason: "asked",
		Warnings: []string{"anyone can change what is in /opt/updater/bin", "its file changed 12 minutes ago"},
		Facts:    []string{"started by: systemd (updater.service)", "user: root", "command: updater --channel stable"}},
	{Program: "/usr/sbin/sshd", Name: "sshd", PID: 611, Protocol: firewall.TCP, Direction: firewall.In, Remote: "203.0.113.77", Port: 51544, Verdict: "allow", Reason: "rule", Rule: "builtin-inbound"},
	{Program: "/opt/updater/bin/updater", Name: "updater", PID: 4821, Protocol: firewall.TCP, Remote: "198.51.100.20", Port: 8080, Verdict: "block", Reason: "unanswered", Count: 3},
	{Program: "/usr/bin/ping", Name: "ping", PID: 5113, UID: 1000, Protocol: firewall.ICMP, Remote: "2001:db8:85a3::8a2e:370:7334", Verdict: "allow", Reason: "mode"},
}

// Line is the made-up log line with an ID.
func Line(id int) ui.LogLine {
	l := examples[(id*5+id/8)%len(examples)]
	if id%97 == 0 {
		l = ui.LogLine{Kind: "change", Program: "/usr/bin/sallyport", Name: "sallyport", PID: 2001, UID: 1000, Reason: "change", Note: "rule r3 was changed from allow to block"}
	} else {
		l.Kind = "flow"
		l.Local = "192.0.2.15:" + strconv.Itoa(32768+id%28000)
		if l.Host == "" && l.Port != 0 && id%3 == 0 {
			a := netip.MustParseAddr("198.51.100.0").As4()
			a[3] = byte(id)
			l.Remote = netip.AddrFrom4(a).String()
		}
		l.Count = max(l.Count, 1)
	}
	l.ID = strconv.Itoa(id)
	l.Time = Start.Add(time.Duration(id) * 863 * time.Millisecond)
	return l
}
