package importer

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"sallyport.dev/sallyport/firewall"
)

var update = flag.Bool("update", false, "write the expected results in testdata anew")

// words is a result, a line for each rule and each thing left.
func words(r Result) string {
	var b strings.Builder
	for _, rule := range r.Rules {
		fmt.Fprintf(&b, "%s %s %s", rule.Verdict, rule.Program, rule.Direction)
		for _, part := range []struct {
			name  string
			value any
			is    bool
		}{
			{"protocol", rule.Protocol, rule.Protocol != firewall.AnyProtocol}, {"remote", rule.Remote, rule.Remote.IsValid()}, {"host", rule.Host, rule.Host != ""},
			{"port", rule.Port, rule.Port != 0}, {"local port", rule.LocalPort, rule.LocalPort != 0},
			{"until", rule.Until.At.Format("2006-01-02"), !rule.Until.At.IsZero()}, {"disabled", "", rule.Disabled},
		} {
			if part.is {
				fmt.Fprintf(&b, " %s %v", part.name, part.value)
			}
		}
		fmt.Fprintf(&b, " (%s)\n", rule.Note)
	}
	b.WriteString("--\n")
	for _, l := range r.Left {
		fmt.Fprintf(&b, "%s: %s: %s\n", l.Where, l.What, l.Why)
	}
	return b.String()
}

// usable tells whether the rules can be put into force.
func usable(t *testing.T, r Result) {
	t.Helper()
	for i, rule := range r.Rules {
		rule.ID = firewall.RuleID(fmt.Sprint("r", i))
		if err := rule.Validate(); err != nil {
			t.Errorf("%+v: %v", rule, err)
		}
	}
}

func TestRuleFilesOfEachProgram(t *testing.T) {
	for _, name := range []string{"opensnitch", "simplewall/profile.xml", "portmaster/profile.json", "portmaster/profile.yaml", "portmaster/settings.json"} {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, "/")
			path := filepath.Join("testdata", filepath.FromSlash(name))
			for _, kind := range []Kind{Kind(kind), ""} { // said, and told by the content
				var r Result
				var err error
				if kind, _, isFile := strings.Cut(name, "/"); isFile {
					text, readErr := os.ReadFile(path)
					if readErr != nil {
						t.Fatal(readErr)
					}
					r, err = Read(Kind(kind), name, text)
				} else {
					r, err = ReadFolder(Kind(kind), os.DirFS(path))
				}
				if err != nil {
					t.Fatal(kind, err)
				}
				usable(t, r)
				golden := path + ".golden"
				if *update {
					if err := os.WriteFile(golden, []byte(words(r)), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if want, err := os.ReadFile(golden); err != nil || strings.ReplaceAll(string(want), "\r\n", "\n") != words(r) {
					t.Errorf("kind %q: have\n%s\nwant\n%s\n%v", kind, words(r), want, err)
				}
			}
		})
	}
}

func TestTheKindIsToldByTheContent(t *testing.T) {
	for text, want := range map[string]Kind{
		"":                                     "",
		"sallyport = 1\n":                      "",
		"{}":                                   "",
		"[1]":                                  "",
		"{\"a\":":                              "",
		"not rules":                            "",
		`{"name":"x","operator":{}}`:           OpenSnitch,
		"\xef\xbb\xbf<?xml version=\"1.0\"?>":  Simplewall,
		"swc\x01":                              Simplewall,
		`{"type":"profile"}`:                   Portmaster,
		"type: profile\nname: x\n":             Portmaster,
		"name: x\nfingerprints:\n- type: path": Portmaster,
	} {
		if have := Detect([]byte(text)); have != want {
			t.Errorf("%q: %q, want %q", text, have, want)
		}
	}
}

func TestWhatIsNoFileOfTheProgramIsRefused(t *testing.T) {
	bomb := `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><root version="5" type="3"><apps><item path="&b;"/></apps></root>`
	yaml := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		yaml += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	for _, c := range []struct {
		kind       Kind
		text, says string
	}{
		{"", "not rules", ErrUnknown.Error()},
		{"foreign", "{}", ErrUnknown.Error()},
		{OpenSnitch, `{"name":"x","operator":{"type":`, "f: no rule of OpenSnitch: unexpected end"},
		{OpenSnitch, `{"name":"x"}`, "no operator"},
		{OpenSnitch, `{"name":"x","action":"allow","operator":[]}`, "no rule of OpenSnitch"},
		{OpenSnitch, "<root/>", "no rule of OpenSnitch"},
		{Simplewall, "", "no profile of simplewall"},
		{Simplewall, "<html></html>", `want <root type="3" version=…> first`},
		{Simplewall, `<root version="5" type="4"></root>`, `want <root type="3" version=…> first`},
		{Simplewall, "<root version=\"5\" type=\"3\">\n<apps>\n<item path=\"C:\\a.exe\"", "line 3: "},
		{Simplewall, bomb, "document type"},
		{Simplewall, `<root version="5" type="3"><apps><item path="&b;"/></apps></root>`, "line 1: "},
		{Simplewall, `<?xml version="1.0" encoding="UTF-16"?><root version="5" type="3"/>`, "UTF-16: want UTF-8"},
		{Simplewall, "swc\x02" + strings.Repeat("x", 100), "compressed or encrypted this profile: set its profile type to plain"},
		{Simplewall, `<root version="5" type="3">` + strings.Repeat("<a>", 100), "too deep"},
		{Portmaster, `{"type":"profile"}`, "no fingerprints"},
		{Portmaster, `{"type":"single-setting"}`, `its type is "single-setting": want profile, or settings`},
		{Portmaster, `{"type":"profile",`, "no export of Portmaster"},
		{Portmaster, "type: profile\n\tx", "no export of Portmaster"},
		{Portmaster, yaml + "type: profile\nconfig: *j\n", "no export of Portmaster"},
		{Portmaster, `{"type":"settings","config":` + strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100) + "}", "too deep"},
		{"", strings.Repeat("x", MaxFile+1), "larger than 32 MB"},
	} {
		r, err := Read(c.kind, "f", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) || len(r.Rules) > 0 {
			t.Errorf("%s %.80q: %v, want %q", c.kind, c.text, err, c.says)
		}
	}
}

func TestAFolderIsReadWholeOrNotAtAll(t *testing.T) {
	good := `{"name":"a","action":"allow","enabled":true,"duration":"always","operator":{"type":"simple","operand":"process.path","data":"/bin/a"}}`
	for _, c := range []struct {
		kind   Kind
		folder fstest.MapFS
		says   string
	}{
		{"", fstest.MapFS{"readme.txt": {}}, "the folder has no rules of OpenSnitch"},
		{Simplewall, fstest.MapFS{"a.json": {Data: []byte(good)}}, "a folder is of OpenSnitch only"},
		{"", fstest.MapFS{"a.json": {Data: []byte(good)}, "b.json": {Data: []byte(good[:40])}}, "b.json: no rule of OpenSnitch"},
		{"", fstest.MapFS{"a.json": {Mode: fs.ModeDir}}, "a.json: no rule of OpenSnitch: it is no file"},
		{OpenSnitch, fstest.MapFS{"a.json": {Data: []byte(good)}, "x.txt": {}}, ""},
	} {
		r, err := ReadFolder(c.kind, c.folder)
		if c.says == "" && (err != nil || len(r.Rules) != 1) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v: %+v %v, want %q", c.folder, r, err, c.says)
		}
	}
}

func TestRangesAreWhatTheyConsistOf(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.4-10.0.0.9":                          "[10.0.0.4/30 10.0.0.8/31] <nil>",
		"10.0.0.0-10.0.0.255":                        "[10.0.0.0/24] <nil>",
		"0.0.0.0-255.255.255.255":                    "[0.0.0.0/0] <nil>",
		"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "[::/0] <nil>",
		"10.0.0.7":                "[10.0.0.7/32] <nil>",
		"10.0.0.7/8":              "[10.0.0.0/8] <nil>",
		"::ffff:10.0.0.7":         "[10.0.0.7/32] <nil>",
		"::ffff:10.0.0.0/104":     "[10.0.0.0/8] <nil>",
		"10.0.0.9-10.0.0.4":       "[] no range of addresses: the second is before the first, or of another kind",
		"10.0.0.9-::1":            "[] no range of addresses: the second is before the first, or of another kind",
		"fe80::1%eth0":            "[] fe80::1%eth0: an address of one interface only",
		"::/64x":                  `[] "::/64x" is no address`,
		"0.0.0.1-255.255.255.254": "[] a range of more than 32 prefixes",
	} {
		list, err := prefixes(text)
		if have := fmt.Sprint(list, " ", err); have != want {
			t.Errorf("%s: %s, want %s", text, have, want)
		}
	}
	for text, want := range map[string]string{
		"80": "[80] <nil>", "20-21": "[20 21] <nil>", "65535": "[65535] <nil>", "0": `[] "0" is no port`, "65536": `[] "65536" is no port`,
		"21-20": `[] "21-20" is no port`, "1-33": "[] 1-33: a range of more than 32 ports", "http": `[] "http" is no port`,
	} {
		list, err := ports(text)
		if have := fmt.Sprint(list, " ", err); have != want {
			t.Errorf("%s: %s, want %s", text, have, want)
		}
	}
}

func FuzzOpenSnitch(f *testing.F) { fuzzKind(f, OpenSnitch, "opensnitch/*.json") }
func FuzzSimplewall(f *testing.F) { fuzzKind(f, Simplewall, "simplewall/*.xml") }
func FuzzPortmaster(f *testing.F) { fuzzKind(f, Portmaster, "portmaster/profile.*") }

func fuzzKind(f *testing.F, kind Kind, seeds string) {
	names, err := filepath.Glob(filepath.Join("testdata", filepath.FromSlash(seeds)))
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Read(kind, "f", text)
		if err != nil {
			if len(r.Rules) > 0 && !errors.Is(err, errTooMany) {
				t.Fatalf("rules in spite of %v", err)
			}
			return
		}
		usable(t, r)
		for _, l := range r.Left {
			if l.Where == "" || l.Why == "" {
				t.Fatalf("%+v", l)
			}
		}
	})
}
