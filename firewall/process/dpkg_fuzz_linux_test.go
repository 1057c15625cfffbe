package process

import (
	"encoding/hex"
	"strings"
	"testing"
)

func FuzzParseSum(f *testing.F) {
	f.Add("7a4179e324c784b99e98fedee05260f7  bin/cat\n")
	f.Add("7a4179e324c784b99e98fedee05260f7 *./bin/cat")
	f.Add("7a4179e324c784b99e98fedee05260f7  /bin/cat")
	f.Add(`\7a4179e324c784b99e98fedee05260f7  bin/a\nb`)
	f.Fuzz(func(t *testing.T, line string) {
		digest, path, ok := parseSum([]byte(line))
		if !ok {
			return
		}
		if len(digest) != 16 || len(path) < 2 || path[0] != '/' || path[1] == '/' {
			t.Fatalf("%q is %x of %q", line, digest, path)
		}
		if !strings.EqualFold(line[:32], hex.EncodeToString(digest)) || !strings.HasSuffix(strings.TrimSuffix(line, "\n"), path[1:]) {
			t.Errorf("%q is %x of %q", line, digest, path)
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add("Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\n\nPackage: b\nStatus: deinstall ok config-files\n")
	f.Add("Package: ../a\nStatus: x\n\n\n\nPackage: \nStatus: install ok installed")
	f.Fuzz(func(t *testing.T, status string) {
		installed := map[string]dpkgPackage{}
		parseStatus([]byte(status), installed)
		for name, p := range installed {
			if name == "" || name != p.name || strings.Contains(name, "/") || !strings.Contains(status, p.version) {
				t.Errorf("%q has %q: %+v", status, name, p)
			}
		}
	})
}

func FuzzParseDiversions(f *testing.F) {
	f.Add("/bin/sh\n/bin/sh.distrib\ndash\n/a\n/b\n:\n")
	f.Add("/bin/sh\n/bin/sh.distrib")
	f.Fuzz(func(t *testing.T, text string) {
		if n := len(parseDiversions([]byte(text))); n > strings.Count(text, "\n")/2+1 {
			t.Errorf("%d diversions of %q", n, text)
		}
	})
}
