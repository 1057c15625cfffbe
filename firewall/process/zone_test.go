package process

import "testing"

func TestWhereAFileSaysThatItCameFrom(t *testing.T) {
	for text, want := range map[string]struct {
		internet bool
		host     string
	}{
		"[ZoneTransfer]\r\nZoneId=3\r\nReferrerUrl=https://example.com/a\r\nHostUrl=https://cdn.example.com:8443/x.exe\r\n": {true, "cdn.example.com"},
		"[ZoneTransfer]\nZoneId=3\nReferrerUrl=https://example.com/a\n":                                                     {true, "example.com"},
		"[zonetransfer]\r\nzoneid=4\r\n":                      {true, ""},
		"[ZoneTransfer]\nZoneId=3\nHostUrl=about:internet":    {true, ""},
		"[ZoneTransfer]\nZoneId=3\nHostUrl=%zz":               {true, ""},
		"[ZoneTransfer]\nZoneId=1\nHostUrl=https://intranet/": {},
		"ZoneId=3":          {},
		"[Other]\nZoneId=3": {},
		"":                  {},
	} {
		if internet, host := zoneOf(text); internet != want.internet || host != want.host {
			t.Errorf("%q: %v, %q; want %+v", text, internet, host, want)
		}
	}
}
