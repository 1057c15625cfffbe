package persistence

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// to is an entry about a program that goes to a host.
func to(program, host string, port uint16) firewall.Entry {
	e := entry(program, time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC))
	e.Host, e.Remote = host, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), port)
	return e
}

func learning(t *testing.T, s *Store, es ...firewall.Entry) {
	t.Helper()
	j := NewJournal(s)
	for _, e := range es {
		j.Learn(e)
	}
	if err := j.write(); err != nil {
		t.Fatal(err)
	}
}

func learned(t *testing.T, s *Store) []Learned {
	t.Helper()
	all, err := s.Learned()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.CountLearned(); err != nil || n != len(all) {
		t.Errorf("counted %d of %d, %v", n, len(all), err)
	}
	return all
}

func TestWhatIsLearnedIsGroupedByProgramAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, _ := open(t, path)
	if got := learned(t, s); len(got) != 0 {
		t.Fatalf("at first %+v", got)
	}
	unidentified := to("", "example.org", 443)
	unidentified.Program.Kind = firewall.Unidentified
	learning(t, s, to("/usr/bin/curl", "example.org", 443), to("/usr/bin/curl", "example.org", 443), to("/usr/bin/curl", "", 53), unidentified)
	learning(t, s, to("/usr/bin/curl", "example.org", 443), to("/usr/bin/ssh", "host.example", 22))
	got := learned(t, s)
	if len(got) != 2 || got[0].Program != "/usr/bin/curl" || got[0].Count != 4 || len(got[0].To) != 2 || got[1].Program != "/usr/bin/ssh" {
		t.Fatalf("learned %+v", got)
	}
	var names []string
	for _, d := range got[0].To {
		names = append(names, fmt.Sprintf("%s%s:%d×%d", d.Host, d.Remote, d.Port, d.Count))
	}
	if text := fmt.Sprint(names); text != "[example.orginvalid IP:443×3 192.0.2.7:53×1]" && text != "[192.0.2.7:53×1 example.orginvalid IP:443×3]" {
		t.Errorf("destinations %s", text)
	}
	// What is taken away does not come back; what is left stays.
	take := Learned{Program: "/usr/bin/curl", To: []Destination{{Protocol: firewall.TCP, Host: "example.org", Port: 443}}}
	if _, err := s.Update(Update{Unlearn: []Learned{take, got[1], {Program: "/none"}}}); err != nil {
		t.Fatal(err)
	}
	if got = learned(t, s); len(got) != 1 || len(got[0].To) != 1 || got[0].To[0].Port != 53 {
		t.Errorf("left %+v", got)
	}
}

func TestWhatIsLearnedDoesNotGrowWithoutEnd(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	for i := range maxDestinations + 3 {
		learning(t, s, to("/usr/bin/wget", fmt.Sprintf("h%d.example", i), 443))
	}
	got := learned(t, s)
	if len(got) != 1 || len(got[0].To) != maxDestinations || !got[0].More || got[0].Count != maxDestinations+3 {
		t.Fatalf("%d destinations, more %t, count %d", len(got[0].To), got[0].More, got[0].Count)
	}
	var many []firewall.Entry
	for i := range maxLearned + 5 {
		many = append(many, to(fmt.Sprintf("/opt/p%d", i), "example.org", 443))
	}
	learning(t, s, many...)
	if got := learned(t, s); len(got) != maxLearned {
		t.Errorf("%d programs, want %d", len(got), maxLearned)
	}
	j := NewJournal(s)
	for i := range maxWaiting + 5 {
		j.Learn(to("/usr/bin/scan", fmt.Sprintf("h%d.example", i), 443))
	}
	if n := len(j.lessons); n > maxWaiting+1 {
		t.Errorf("%d destinations wait for the disk, want at most %d", n, maxWaiting+1)
	}
}

// A timed mode opens the firewall: where its record cannot be read, the mode
// that it goes back to is in force.
func TestADamagedTimedModeIsNone(t *testing.T) {
	good := TimedMode{Mode: firewall.ModeOff, Since: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC),
		Until: firewall.Expiry{At: time.Date(2026, 11, 29, 12, 30, 0, 0, time.UTC), Boot: "b-1", Uptime: 2 * time.Hour}}
	for name, text := range map[string]string{
		"no JSON":        `{"mode":"off"`,
		"a mode unknown": `{"mode":"wide open","since":"2026-11-29T12:00:00Z","until":"2026-11-29T12:30:00Z"}`,
		"no end":         `{"mode":"off","since":"2026-11-29T12:00:00Z","until":"always"}`,
		"until restart":  `{"mode":"off","since":"2026-11-29T12:00:00Z","until":"restart:b-1"}`,
		"more":           `{"mode":"off","since":"2026-11-29T12:00:00Z","until":"2026-11-29T12:30:00Z","x":1}`,
		"a flipped bit":  "",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			s, _ := open(t, path)
			mode := firewall.ModeAsk
			if _, err := s.Update(Update{Mode: &mode}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Update(Update{Timed: &good}); err != nil {
				t.Fatal(err)
			}
			if got, err := s.TimedMode(); err != nil || got != good {
				t.Fatalf("stored %+v, %v", got, err)
			}
			err := s.update(func(tx *bbolt.Tx) error {
				b := tx.Bucket(settingsBucket)
				if text != "" {
					return put(b, []byte(TimedSetting), text)
				}
				value := append([]byte{}, b.Get([]byte(TimedSetting))...)
				value[len(value)/2] ^= 1
				return b.Put([]byte(TimedSetting), value)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.TimedMode(); err == nil || got != (TimedMode{}) {
				t.Errorf("damaged, it is %+v, %v", got, err)
			}
			if m, chosen, err := s.Mode(); m != firewall.ModeAsk || !chosen || err != nil {
				t.Errorf("the mode is %v, %t, %v", m, chosen, err)
			}
		})
	}
}

func TestATimedModeIsNoSettingAndEndsWithAMode(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	timed := TimedMode{Mode: firewall.ModeLearn, Since: time.Now().UTC().Truncate(time.Second), Until: firewall.Expiry{At: time.Now().UTC().Truncate(time.Second).Add(time.Hour)}}
	if _, err := s.Update(Update{Timed: &timed}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Document()
	if err != nil || len(d.Settings) != 0 || d.Mode != nil {
		t.Errorf("exported: %+v, %v", d, err)
	}
	if _, _, err := s.Replace(d); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TimedMode(); got != timed || err != nil {
		t.Errorf("after an import without a mode %+v, %v", got, err)
	}
	mode := firewall.ModeBlock
	if _, err := s.Update(Update{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TimedMode(); got != (TimedMode{}) || err != nil {
		t.Errorf("after another mode %+v, %v", got, err)
	}
	for _, m := range []firewall.Mode{firewall.ModeAsk, firewall.ModeLock} {
		timed.Mode = m
		if _, err := s.Update(Update{Timed: &timed}); err == nil {
			t.Errorf("mode %s ends by itself", m)
		}
	}
}

func TestEndsOfRulesAreKept(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 30, 0, 0, time.UTC)
	for _, e := range []firewall.Expiry{
		{}, {At: at}, {Boot: "6f3e-22"}, {At: at, Boot: "6f3e-22", Uptime: 90*time.Minute + 123456789},
		{Exit: true, PID: 7, Started: at},
	} {
		if got, err := parseUntil(untilText(e)); err != nil || got != e {
			t.Errorf("%s: %+v, %v; want %+v", untilText(e), got, err, e)
		}
	}
	for _, bad := range []string{"restart:", "2026-11-29T12:30:00Z@", "2026-11-29T12:30:00Z@b", "2026-11-29T12:30:00Z@+1h", "soon"} {
		if e, err := parseUntil(bad); err == nil {
			t.Errorf("%q is %+v", bad, e)
		}
	}
}
