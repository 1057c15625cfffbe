package process

import (
	"net/url"
	"strings"
)

// zoneOf reads the mark that Windows' programs put beside a file that they get
// from elsewhere (the stream Zone.Identifier): whether that was the internet,
// and which host it was, if it says so.
func zoneOf(text string) (internet bool, host string) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, is := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "["):
			section = strings.ToLower(line)
		case !is || section != "[zonetransfer]":
		case strings.EqualFold(key, "ZoneId"):
			internet = value == "3" || value == "4" // the internet, and what is restricted
		case strings.EqualFold(key, "HostUrl"), strings.EqualFold(key, "ReferrerUrl") && host == "":
			if u, err := url.Parse(value); err == nil {
				host = u.Hostname()
			}
		}
	}
	if !internet {
		return false, ""
	}
	return true, host
}
