package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"sallyport.dev/sallyport/firewall"
)

// policyDocument has a rule for each thing that a rule can say.
func policyDocument() Document {
	d := sampleDocument()
	d.LastID = 17
	at := d.Rules[0].Created
	d.Rules = slices.Insert(d.Rules, 4, // before the built-in one, as the store has them
		firewall.Rule{ID: "r5", Program: `service:wuauserv:C:\Windows\System32\svchost.exe`, Verdict: firewall.Allow, Note: "two\nlines, 'quoted'", Created: at},
		firewall.Rule{ID: "r6", Program: "script:python:/home/u/backup.py", Place: firewall.Resolver, Protocol: firewall.UDP, Port: 53, Verdict: firewall.Allow, Created: at},
		firewall.Rule{ID: "r7", Program: "/usr/sbin/sshd", Direction: firewall.In, LocalPort: 22, Protocol: firewall.TCP, Verdict: firewall.Ask, Created: at},
		firewall.Rule{ID: "r8", Program: "/usr/bin/curl", StartedBy: "/opt/backup.sh", Protocol: firewall.GRE, Created: at},
		firewall.Rule{ID: "r9", Program: "/usr/bin/curl", StartedBy: "/opt/\xff.sh", Protocol: 200, Created: at},
	)
	return d
}

const policyGolden = "testdata/policy.toml"

func TestThePolicyFileIsWhatItWas(t *testing.T) {
	want := policyDocument()
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(policyGolden, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(policyGolden)
	if err != nil || !bytes.Equal(golden, text) {
		t.Errorf("have %s\nwant %s, %v", text, golden, err)
	}
	have, err := DecodeDocument(golden)
	if err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v\nwant %+v, %v", have, want, err)
	}
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	if _, _, err := s.Replace(have); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Document()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := stored.Encode(); err != nil || !bytes.Equal(again, golden) {
		t.Errorf("imported and exported again: %s, %v", again, err)
	}
}

// Whatever a rule gets one day must be in the file too, or an import loses it.
func TestNothingOfARuleIsLostInTheFile(t *testing.T) {
	full := firewall.Rule{ID: "r1", Program: "/bin/a", Direction: firewall.In, Protocol: firewall.TCP, Remote: netip.MustParsePrefix("192.0.2.0/24"),
		Place: firewall.Loopback, Zone: firewall.TrustedZone, Host: "*.example.org", Port: 1, PortTo: 9, ICMPType: 9, LocalPort: 2, StartedBy: "/bin/b", User: "1000", Verdict: firewall.Ask, Until: firewall.Expiry{At: time.Unix(1e9, 0)},
		Disabled: true, Builtin: true, Proposed: true, Learned: true, PassLock: true, Note: "n", Created: time.Unix(1, 0), LastUsed: time.Unix(2, 0), Hits: 3}
	values := reflect.ValueOf(full)
	for i := range values.NumField() {
		field := values.Type().Field(i)
		if field.Name == "By" {
			continue // who made a rule is of the computer on which that was
		}
		if values.Field(i).IsZero() {
			t.Errorf("this test knows no value for a rule's %s", field.Name)
			continue
		}
		r := firewall.Rule{ID: "r1", Program: "/bin/a"}
		reflect.ValueOf(&r).Elem().Field(i).Set(values.Field(i))
		switch field.Name {
		case "PortTo":
			r.Port = full.Port
		case "PassLock":
			r.Verdict = firewall.Allow
		case "ICMPType":
			r.Protocol = firewall.ICMP
		}
		if r.Builtin {
			r.ID = "builtin-x"
		}
		text, err := Document{Rules: []firewall.Rule{r}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		d, err := DecodeDocument(text)
		if err != nil || len(d.Rules) != 1 {
			t.Errorf("%s: %v\n%s", field.Name, err, text)
			continue
		}
		have := d.Rules[0]
		if !have.Created.Equal(r.Created) || !have.LastUsed.Equal(r.LastUsed) || !have.Until.At.Equal(r.Until.At) {
			t.Errorf("%s: a time changed: %+v\n%s", field.Name, have, text)
		}
		have.Created, have.LastUsed, have.Until.At = r.Created, r.LastUsed, r.Until.At
		if have != r {
			t.Errorf("%s is not in the file: %+v\n%s", field.Name, have, text)
		}
	}
}

// Each way in which a rule may end is read as it was written.
func TestNoEndOfARuleIsLostInTheFile(t *testing.T) {
	at := time.Unix(1e9, 0).UTC()
	for _, until := range []firewall.Expiry{
		{}, {At: at}, {Boot: firewall.ThisBoot}, {Boot: "a-start"}, {At: at, Boot: "a-start", Uptime: 90*time.Minute + time.Nanosecond},
		{Exit: true, PID: 7, Started: at},
	} {
		text, err := Document{Rules: []firewall.Rule{{ID: "r1", Program: "/bin/a", Until: until}}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		d, err := DecodeDocument(text)
		if err != nil || len(d.Rules) != 1 || d.Rules[0].Until != until {
			t.Errorf("%+v is read as %+v, %v\n%s", until, d.Rules, err, text)
		}
	}
	d, err := DecodeDocument([]byte("sallyport = 1\n[[rule]]\nprogram = '/bin/a'\nverdict = 'allow'\nuntil = 'restart'\n"))
	if err != nil || d.Rules[0].Until.Boot != firewall.ThisBoot {
		t.Errorf("until restart is read as %+v, %v", d.Rules, err)
	}
}

func TestAPolicyFileIsRefusedWithTheLineAndTheReason(t *testing.T) {
	const head = "sallyport = 1\n"
	const rule = "[[rule]]\nid = 'r1'\nprogram = '/bin/a'\nverdict = 'allow'\n"
	for _, c := range []struct {
		text string
		line int
		says string
	}{
		{"", 1, "no policy file of Sallyport"},
		{"# nothing\n\n", 1, "want sallyport = 1 first"},
		{rule, 1, "want sallyport = 1 first"},
		{`{"sallyport":1}`, 1, "not TOML"},
		{"sallyport = 2\n", 1, "format 2: this version reads format 1"},
		{"sallyport = '1'\n", 1, "want a number"},
		{head + "sallyport = 1\n", 2, "already in line 1"},
		{head + "\n# comment\nmode = \n", 4, "not TOML"},
		{head + "mode = 'loud'\n", 2, `line 2: mode "loud": want ask, allow, block, off, lock`},
		{head + "mode = 1\n", 2, "want a text in quotes"},
		{head + "mode = 'learn'\n", 2, "mode learn ends by itself, and is in no file"},
		{head + "colour = 'red'\n", 2, `"colour": want sallyport`},
		{head + "settings.patience = '1m'\n", 2, "want one name before the ="},
		{head + "[zones]\n", 2, `table "zones": want [settings] or [[rule]]`},
		{head + "[rule]\n", 2, `table "rule": want [settings] or [[rule]]`},
		{head + "[settings]\n[settings]\n", 3, "already in line 2"},
		{head + "[settings]\npatience = '1s'\n", 3, "patience"},
		{head + "[settings]\npatience = 30\n", 3, "want a text in quotes"},
		{head + "[settings]\ncolour = 'red'\n", 3, "no such setting"},
		{head + "[settings]\nfail = 'open'\nfail = 'open'\n", 4, "already in line 3"},
		{head + rule + "colour = 1\n", 6, `a rule has no "colour": want id, program,`},
		{head + rule + "port = 'https'\n", 6, "port = https: want a number from 0 to 65535"},
		{head + rule + "port = 65536\n", 6, "want a number from 0 to 65535"},
		{head + rule + "port = -1\n", 6, "want a number from 0 to 65535"},
		{head + rule + "port = [80, 443]\n", 6, "want a number"},
		{head + rule + "port_to = '8999'\n", 6, "want a number from 0 to 65535"},
		{head + rule + "port = 9\nport_to = 8\n", 2, "want the lower one first"},
		{head + rule + "icmp_type = 8\n", 6, "want a text in quotes"},
		{head + rule + "protocol = 'icmp'\nicmp_type = 'ping'\n", 7, "ICMP type \"ping\""},
		{head + rule + "icmp_type = 'echo-request'\n", 2, "want it with protocol icmp"},
		{head + rule + "user = 1000\n", 6, "want a text in quotes"},
		{head + rule + "user = 'ann'\n", 2, "want a user's number"},
		{head + rule + "until = 'restart:'\n", 2, "until"},
		{head + rule + "until = '2026-01-02T03:04:05Z@+1h'\n", 2, "until"},
		{head + rule + "enabled = 'yes'\n", 6, "want true or false"},
		{head + rule + "created = '2026-01-02T03:04:05Z'\n", 6, "want a time"},
		{head + rule + "created = 2026-01-02\n", 6, "want a time"},
		{head + rule + "created = 0000-01-01T00:00:00+10:00\n", 6, "want a time"},
		{head + rule + "program_base64 = 'L2Jpbi9h'\n", 6, "program_base64: "},
		{head + rule + "protocol = 'smoke'\n", 6, `protocol "smoke"`},
		{head + "[[rule]]\nprogram = '/bin/a'\nverdict = 'maybe'\n", 4, `verdict "maybe": want allow, block or ask`},
		{head + "[[rule]]\nprogram = '/bin/a'\nverdict = 1\n", 4, "want a text in quotes"},
		{head + "[[rule]]\nprogram = '/bin/a'\n", 2, "no verdict"},
		{head + "[[rule]]\nprogram = 'curl'\nverdict = 'allow'\n[[rule]]\n", 2, "want an absolute path"},
		{head + "[[rule]]\nverdict = 'allow'\n", 2, "program"},
		{head + rule + "remote = 'here'\n", 2, `remote "here": want an address`},
		{head + rule + "until = 'exit:x'\n", 2, "until"},
		{head + rule + "until = '9999-12-31T23:59:59-10:00'\n", 2, "until"},
		{head + rule + "host = 'Example.org'\n", 2, "host"},
		{head + rule + "builtin = true\n", 2, "builtin-"},
		{head + rule + "\n" + rule, 7, "rule r1 is already in line 2"},
		{head + rule[:30], 4, "not TOML"},
		{head + "rule = [{program = '/bin/a', verdict = 'allow'}]\n", 2, "[[rule]]"},
		{head + rule + "note.x = 'a'\n", 6, "want one name before the ="},
		{head + rule + "note = \"\xff\"\n", 6, "not TOML"},
	} {
		var e *LineError
		_, err := DecodeDocument([]byte(c.text))
		if !errors.As(err, &e) || e.Line != c.line || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want line %d and %q", c.text, err, c.line, c.says)
		}
	}
}

func TestAPersonWritesOnlyWhatMatters(t *testing.T) {
	d, err := DecodeDocument([]byte(`# my policy
sallyport = 1 # the format

[[rule]]
program = 'C:\Program Files\App\app.exe'
verdict = "allow" # always
port = 0x1bb

[[rule]]
verdict = "block"
program = "*"
remote = "192.0.2.7"
`))
	if err != nil || len(d.Rules) != 2 {
		t.Fatalf("%+v %v", d, err)
	}
	if r := d.Rules[0]; r != (firewall.Rule{Program: `C:\Program Files\App\app.exe`, Verdict: firewall.Allow, Port: 443}) {
		t.Errorf("%+v", r)
	}
	if r := d.Rules[1]; r != (firewall.Rule{Program: "*", Remote: netip.MustParsePrefix("192.0.2.7/32")}) {
		t.Errorf("%+v", r)
	}
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	stored, _, err := s.Replace(d)
	if err != nil || stored[0].ID != "r1" || stored[1].ID != "r2" || stored[0].Created.IsZero() {
		t.Errorf("%+v %v", stored, err)
	}
}

func TestASettingOfTheOtherSystemIsNoMistake(t *testing.T) {
	everywhere := definitions
	defer func() { definitions = everywhere }()
	definitions = ofSystem("windows", everyDefinition)
	d, err := DecodeDocument([]byte("sallyport = 1\n[settings]\nuser = 'ada'\npatience = '1m'\n"))
	if err != nil || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "setting user is not of this system") || len(d.Settings) != 1 {
		t.Errorf("%+v %v", d, err)
	}
}

func FuzzDocument(f *testing.F) {
	text, err := policyDocument().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("sallyport = 1\n[[rule]]\nid = 'a'\nprogram = '*'\nverdict = 'ask'\nremote = '::ffff:1.2.3.4/96'\n"))
	f.Add([]byte("sallyport=1\r\n\"mode\"=\"\"\"\r\nask\"\"\"\r\n['settings']\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := DecodeDocument(text)
		if err != nil {
			var e *LineError
			if !errors.As(err, &e) || e.Line < 1 || e.Line > 1+bytes.Count(text, []byte{'\n'}) {
				t.Fatalf("%v is no line of %d", err, bytes.Count(text, []byte{'\n'}))
			}
			return
		}
		// What is accepted is TOML to others too.
		if err := toml.Unmarshal(text, &map[string]any{}); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		once, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeDocument(once)
		if err != nil {
			t.Fatalf("%s\n%v", once, err)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s\n%s\n%v", once, twice, err)
		}
	})
}

func BenchmarkDecodeDocument(b *testing.B) {
	d := Document{}
	for i := range 10_000 {
		d.Rules = append(d.Rules, firewall.Rule{ID: firewall.RuleID(fmt.Sprint("r", i+1)), Program: fmt.Sprint("/usr/bin/", i), Host: "example.org", Port: 443, Verdict: firewall.Allow, Created: time.Unix(1e9, 0)})
	}
	text, err := d.Encode()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := DecodeDocument(text); err != nil {
			b.Fatal(err)
		}
	}
}

// What can be in the file is written in the README.
func TestTheReadmeNamesEachField(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range policyNames {
		if !bytes.Contains(readme, []byte("`"+name+"`")) && name != "id" {
			t.Errorf("the README does not say what %s is in a policy file", name)
		}
	}
}
