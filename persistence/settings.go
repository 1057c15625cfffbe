package persistence

import (
	"errors"
	"time"

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

// Settings returns the settings with their types.
func (s *Store) Settings() (Settings, error) { panic("being built") }

// SettingList returns all settings as text, in the order of their definition.
func (s *Store) SettingList() ([]Setting, error) { panic("being built") }

// SetSetting stores a setting. Its errors say what is permitted.
func (s *Store) SetSetting(name, value string) error { panic("being built") }
