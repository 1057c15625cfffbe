package persistence

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// sample is one rule of each kind.
func sample() []firewall.Rule {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	return []firewall.Rule{
		{ID: "r1", Program: "/usr/bin/curl", Protocol: firewall.TCP, Host: "example.org", Port: 443, Verdict: firewall.Allow, Note: "<b> & \"ü\"", Created: at, Hits: 3, LastUsed: at},
		{ID: "r2", Program: "/usr/bin/\xff\xfe", Remote: netip.MustParsePrefix("192.0.2.0/24"), Until: firewall.Expiry{At: at.Add(time.Hour)}, Created: at},
		{ID: "r3", Program: firewall.KernelProgram, Direction: firewall.In, Remote: netip.MustParsePrefix("2001:db8::1/128"), Disabled: true, Verdict: firewall.Ask, Created: at},
		{ID: "r4", Program: "/bin/x", Until: firewall.Expiry{Exit: true, PID: 9, Started: at}, Proposed: true, Verdict: firewall.Allow, Created: at},
		{ID: "builtin-loopback", Program: firewall.AnyProgram, Place: firewall.Loopback, Verdict: firewall.Allow, Builtin: true, Created: at},
	}
}

func sampleDocument() Document {
	m := firewall.ModeAsk
	return Document{Mode: &m, Settings: map[string]string{"patience": "1m", "log-max-size": "64MB"}, Rules: sample()}
}

func TestExportAndImportAreInverse(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	want := sampleDocument()
	want.LastID = 6
	at := want.Rules[0].Created
	want.Rules = slices.Insert(want.Rules, 4, // before the built-in one
		firewall.Rule{ID: "r5", Program: "/usr/bin/curl", StartedBy: "/opt/backup.sh", Verdict: firewall.Allow, Created: at},
		firewall.Rule{ID: "r6", Program: "/usr/bin/curl", StartedBy: "/opt/\xff.sh", Created: at})
	if _, _, err := s.Replace(want); err != nil {
		t.Fatal(err)
	}
	have, err := s.Document()
	if err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("stored %+v\nhave   %+v, %v", want, have, err)
	}
	text, err := have.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := DecodeDocument(text)
	if err != nil || !reflect.DeepEqual(read, want) {
		t.Errorf("wrote %s\nread %+v, %v", text, read, err)
	}
	want.Rules, want.Settings = want.Rules[:2], map[string]string{}
	if _, _, err := s.Replace(want); err != nil {
		t.Fatal(err)
	}
	if have, err := s.Document(); err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("a second import leaves %+v, %v", have, err)
	}
}

func TestSettingsRefuseWhatIsNotPermitted(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	for name, values := range map[string][]string{
		"patience": {"", "1s", "11m", "x", "-30s"}, "fail": {"ajar", ""}, "unknown": {"ask", "off"}, "notifications": {"true"},
		"log-max-size": {"1", "0MB", "101GB", "99999999999999GB"}, "log-max-age": {"1m", "4000d", "70000d"},
	} {
		for _, v := range values {
			if err := s.SetSetting(name, v); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %q: %v", name, v, err)
			}
		}
	}
	if err := s.SetSetting("colour", "red"); !errors.Is(err, ErrNoSetting) {
		t.Error(err)
	}
	for name, v := range map[string]string{"log-max-age": "7d", "log-max-size": "1gb", "unknown": "allow"} {
		if err := s.SetSetting(name, v); err != nil {
			t.Error(err)
		}
	}
	have, err := s.Settings()
	if err != nil || have.LogMaxAge != 7*24*time.Hour || have.LogMaxBytes != 1e9 || have.Unknown != firewall.ModeAllow {
		t.Errorf("%+v %v", have, err)
	}
	if m, chosen, err := s.Mode(); m != firewall.ModeAllow || chosen || err != nil {
		t.Errorf("before anybody chose: %v %v %v", m, chosen, err)
	}
}

var update = flag.Bool("update", false, "write the present format's file in testdata anew")

func goldenOf(format int) string {
	return filepath.Join("testdata", fmt.Sprintf("version%d.db", format))
}

// TestEveryFormatIsRead keeps the promise that no version forgets the files of
// an older one.
func TestEveryFormatIsRead(t *testing.T) {
	present := len(steps) + 1
	if *update {
		os.Remove(goldenOf(present))
		if err := create(goldenOf(present), sampleDocument()); err != nil {
			t.Fatal(err)
		}
		db, err := openBolt(goldenOf(present))
		if err != nil {
			t.Fatal(err)
		}
		s := &Store{db: db}
		b := batch{lines: []Line{{Entry: entry("/bin/p", sample()[0].Created)}, {Change: &Change{Text: "a change", UID: 5}}}}
		b.seen = []firewall.Entry{b.lines[0].Entry}
		err = errors.Join(s.writeBatch(b, Settings{LogMaxBytes: 1e9, LogMaxAge: 1 << 62}, time.Now()), s.PutIdentities(identities(), nil), db.Close())
		if err != nil {
			t.Fatal(err)
		}
	}
	for format := range present {
		format++
		t.Run(fmt.Sprint("format ", format), func(t *testing.T) { readFormat(t, format) })
	}
}

func readFormat(t *testing.T, format int) {
	data, err := os.ReadFile(goldenOf(format))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, r := open(t, path)
	if len(r.Notes()) > 0 {
		t.Fatal(r.Notes())
	}
	have, err := s.Document()
	want := sampleDocument()
	want.Rules[0].Hits++ // the line in the log is of rule r1
	if format > 1 {
		want.LastID = 4 // the first file was made before it was noted
	}
	if err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v\nwant %+v, %v", have, want, err)
	}
	lines, err := s.Log(context.Background(), Query{})
	if err != nil || len(lines) != 2 || lines[0].Change == nil || lines[1].Entry != entry("/bin/p", sample()[0].Created) {
		t.Errorf("%+v %v", lines, err)
	}
	if known, err := s.Identities(); err != nil || format > 1 && !slices.Equal(known, identities()) {
		t.Errorf("known %+v, %v", known, err)
	}
	if migrated := r.Migrated; format <= len(steps) && migrated != format {
		t.Errorf("migrated from %d", migrated)
	}
	if seen, err := s.Seen(); err != nil || len(seen) != 1 {
		t.Error(seen, err)
	}
}

func FuzzRecords(f *testing.F) {
	key := number(7)
	value, _ := seal(key, Line{Entry: entry("/bin/p", time.Unix(1, 0))}.text())
	f.Add(value[4:])
	rule, _ := seal([]byte("r1"), textOf(sample()[0]))
	f.Add(rule[4:])
	f.Fuzz(func(t *testing.T, text []byte) {
		// With a right checksum, so that the decoders see it.
		sealed := func(key []byte) []byte {
			v, _ := seal(key, nil)
			v = append(v[:4], text...)
			copy(v, slices.Clone(number(uint64(checksum(key, text)))[4:]))
			return v
		}
		decodeLine(key, sealed(key))
		decodeRule([]byte("r1"), sealed([]byte("r1")))
		decodeSeen([]byte("out /bin/p"), sealed([]byte("out /bin/p")))
		decodeIdentity([]byte("/bin/p"), sealed([]byte("/bin/p")))
	})
}

func FuzzCheck(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "version1.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, uint32(0), byte(0))
	f.Add(data, uint32(8192+10), byte(3))
	f.Fuzz(func(t *testing.T, data []byte, at uint32, flip byte) {
		if len(data) > 0 {
			data = bytes.Clone(data)
			data[int(at)%len(data)] ^= flip
		}
		checkBolt(bytes.NewReader(data), uint64(len(data)))
	})
}
