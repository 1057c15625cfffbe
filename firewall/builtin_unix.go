//go:build !windows

package firewall

// timekeepers are where distributions put the programs that keep the clock:
// systemd-timesyncd, chrony, and ntpd of NTP, NTPsec and OpenNTPD.
func timekeepers() []timekeeper {
	return []timekeeper{
		{"timesyncd", "/usr/lib/systemd/systemd-timesyncd"},
		{"chronyd", "/usr/sbin/chronyd"},
		{"chronyd-bin", "/usr/bin/chronyd"},
		{"ntpd", "/usr/sbin/ntpd"},
		{"ntpd-bin", "/usr/bin/ntpd"},
	}
}
