package persistence

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// ErrNoSetting: there is no setting of that name.
var ErrNoSetting = errors.New("no such setting")

// Settings are the settings with their types.
type Settings struct {
	Patience      time.Duration // patience: how long a flow waits for an answer
	FailOpen      bool          // fail: open or closed
	Unknown       firewall.Mode // unknown: ModeBlock or ModeAllow, when asking is switched off
	LogMaxBytes   int64         // log-max-size
	LogMaxAge     time.Duration // log-max-age
	Notifications bool          // notifications: on or off
	LockIdle      time.Duration // lock-idle: 0 is off
	User          string        // user: who may decide besides the group sallyport
}

// Setting is one setting as text, with its meaning.
type Setting struct {
	Name    string
	Value   string
	Default string
	Help    string
	Choices []string // the permitted values, if they are few
}

// definition is a setting with the way it is read: set refuses bad values.
type definition struct {
	Setting
	set func(s *Settings, value string) error
}

var definitions = ofSystem(runtime.GOOS, everyDefinition)

var everyDefinition = []definition{
	{Setting{Name: "patience", Default: "30s", Help: "how long a connection waits for an answer before it is blocked, 5s to 10m"},
		func(s *Settings, v string) (err error) {
			s.Patience, err = parseDuration(v, 5*time.Second, 10*time.Minute)
			return err
		}},
	{Setting{Name: "fail", Default: failDefault(runtime.GOOS), Choices: []string{"closed", "open"}, Help: failHelp(runtime.GOOS)},
		func(s *Settings, v string) error { s.FailOpen = v == "open"; return nil }},
	{Setting{Name: "unknown", Default: "block", Choices: []string{"block", "allow"}, Help: "what happens to unknown programs when asking is switched off"},
		func(s *Settings, v string) error { return s.Unknown.UnmarshalText([]byte(v)) }},
	{Setting{Name: "log-max-size", Default: "256MB", Help: "how large the activity log may grow before its oldest lines go, 1MB to 100GB"},
		func(s *Settings, v string) (err error) { s.LogMaxBytes, err = parseSize(v, 1e6, 100e9); return err }},
	{Setting{Name: "log-max-age", Default: "30d", Help: "how old lines of the activity log may grow, 1h to 3650d"},
		func(s *Settings, v string) (err error) {
			s.LogMaxAge, err = parseDuration(v, time.Hour, 3650*24*time.Hour)
			return err
		}},
	{Setting{Name: "notifications", Default: "on", Choices: []string{"on", "off"}, Help: "whether a desktop notification comes with each question"},
		func(s *Settings, v string) error { s.Notifications = v == "on"; return nil }},
	{Setting{Name: "lock-idle", Default: "off", Help: "after how long without anybody at the computer all traffic is locked: off, or 1m to 24h"},
		func(s *Settings, v string) (err error) {
			if s.LockIdle = 0; v != "off" {
				s.LockIdle, err = parseDuration(v, time.Minute, 24*time.Hour)
			}
			return err
		}},
	{Setting{Name: "user", Default: "", Help: "a user who may decide although not in the group sallyport"},
		func(s *Settings, v string) error {
			if len(v) > 256 || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == ':' || r == '/' }) {
				return errors.New("want a user's name")
			}
			s.User = v
			return nil
		}},
}

// ofSystem leaves out what a system does not know: Windows lets in whoever is
// logged on at the computer.
func ofSystem(system string, all []definition) []definition {
	return slices.DeleteFunc(slices.Clone(all), func(d definition) bool { return system == "windows" && d.Name == "user" })
}

// isElsewhere tells whether a setting is one of another system's.
func isElsewhere(name string) bool {
	is := func(d definition) bool { return d.Name == name }
	return slices.ContainsFunc(everyDefinition, is) && !slices.ContainsFunc(definitions, is)
}

// failDefault is closed, save on Windows: WinDivert itself lets everything pass
// without an engine, and the rules that prevent that were not yet shown there.
func failDefault(system string) string {
	if system == "windows" {
		return "open"
	}
	return "closed"
}

func failHelp(system string) string {
	if system == "windows" {
		return "whether everything passes (open) or only what rules allow (closed) when the engine ends by itself; closed is not yet shown on real Windows"
	}
	return "whether unknown programs are blocked (closed) or pass (open) while the engine is not running"
}

// checkSetting refuses unknown names and values that are not permitted.
func checkSetting(name, value string, into *Settings) error {
	i := slices.IndexFunc(definitions, func(d definition) bool { return d.Name == name })
	if i < 0 {
		return fmt.Errorf("setting %q: %w", name, ErrNoSetting)
	}
	d := definitions[i]
	if d.Choices != nil && !slices.Contains(d.Choices, value) {
		return fmt.Errorf("setting %s: %q is not permitted: want %s", name, value, strings.Join(d.Choices, " or "))
	}
	if err := d.set(into, value); err != nil {
		return fmt.Errorf("setting %s: %q is not permitted: %w", name, value, err)
	}
	return nil
}

func parseDuration(s string, low, high time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil {
		return 0, errors.New("want a duration such as 30s, 5m, 12h or 7d")
	}
	if d < low || d > high {
		return 0, fmt.Errorf("want a duration from %v to %v", low, high)
	}
	return d, nil
}

func parseSize(s string, low, high int64) (int64, error) {
	for _, unit := range []struct {
		name string
		size int64
	}{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		if digits, ok := strings.CutSuffix(strings.ToUpper(s), unit.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 32)
			if err == nil && n*unit.size >= low && n*unit.size <= high {
				return n * unit.size, nil
			}
		}
	}
	return 0, fmt.Errorf("want a size such as 256MB, from %dMB to %dGB", low/1e6, high/1e9)
}

// ModeSetting is the name under which the mode is kept among the settings.
const ModeSetting = "mode"

// readSettings returns what differs from the defaults, without the mode.
func readSettings(tx *bbolt.Tx) (map[string]string, error) {
	values := map[string]string{}
	err := tx.Bucket(settingsBucket).ForEach(func(k, v []byte) error {
		var value string
		if err := unseal(k, v, &value); err != nil {
			return fmt.Errorf("setting %q: %w", k, err)
		}
		if string(k) != ModeSetting && string(k) != TimedSetting {
			values[string(k)] = value
		}
		return nil
	})
	return values, err
}

// SettingList returns all settings as text, in the order of their definition.
func (s *Store) SettingList() ([]Setting, error) {
	var values map[string]string
	err := s.view(func(tx *bbolt.Tx) (err error) {
		values, err = readSettings(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var list []Setting
	for _, d := range definitions {
		d.Value = d.Default
		if v, ok := values[d.Name]; ok {
			d.Value = v
		}
		list = append(list, d.Setting)
	}
	return list, nil
}

// Settings returns the settings with their types.
func (s *Store) Settings() (typed Settings, err error) {
	list, err := s.SettingList()
	for _, one := range list {
		if checkSetting(one.Name, one.Value, &typed) != nil {
			err = errors.Join(err, checkSetting(one.Name, one.Default, &typed))
		}
	}
	return typed, err
}

// SetSetting stores a setting. Its errors say what is permitted.
func (s *Store) SetSetting(name, value string) error {
	_, err := s.Update(Update{Settings: map[string]string{name: value}})
	return err
}

func (u Update) applySettings(tx *bbolt.Tx, trail *trail) error {
	b := tx.Bucket(settingsBucket)
	store := func(name, value string) error {
		sealed, err := seal([]byte(name), value)
		if err != nil {
			return err
		}
		trail.changes(settingsBucket, []byte(name), b.Get([]byte(name)), sealed)
		return b.Put([]byte(name), sealed)
	}
	for _, name := range u.Unset {
		trail.changes(settingsBucket, []byte(name), b.Get([]byte(name)), nil)
		if err := b.Delete([]byte(name)); err != nil {
			return err
		}
	}
	for name, value := range u.Settings {
		if err := checkSetting(name, value, new(Settings)); err != nil {
			return err
		}
		if err := store(name, value); err != nil {
			return err
		}
	}
	timed := u.Timed
	if u.Mode != nil {
		if *u.Mode == firewall.ModeLearn {
			return errors.New("mode learn ends by itself: it has a time")
		}
		if err := store(ModeSetting, u.Mode.String()); err != nil {
			return err
		}
		timed = &TimedMode{}
	}
	if timed != nil {
		return timed.put(tx, trail)
	}
	return nil
}

// Mode returns the stored mode; chosen is false until a person chose one.
func (s *Store) Mode() (m firewall.Mode, chosen bool, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		m, chosen, err = readMode(tx)
		return err
	})
	return m, chosen, err
}

func readMode(tx *bbolt.Tx) (m firewall.Mode, chosen bool, err error) {
	var name string
	if err = take(tx.Bucket(settingsBucket), []byte(ModeSetting), &name); err != nil || name == "" {
		return firewall.ModeAllow, false, err
	}
	if err = m.UnmarshalText([]byte(name)); err == nil && m == firewall.ModeLearn {
		m = firewall.ModeAsk // it is stored with its end, or not at all
	}
	return m, err == nil, err
}

// SetMode stores the mode that a person chose.
func (s *Store) SetMode(m firewall.Mode) error {
	_, err := s.Update(Update{Mode: &m})
	return err
}
