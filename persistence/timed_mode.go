package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// TimedSetting is kept beside the mode that it goes back to: where it is lost
// or cannot be read, that mode is in force.
const TimedSetting = "mode-timed"

// TimedMode is a mode that ends by itself. The stored mode is in force after
// it. It is in no export and no backup. Zero is none.
type TimedMode struct {
	Mode  firewall.Mode
	Since time.Time
	Until firewall.Expiry // at a time
}

type timedText struct {
	Mode  firewall.Mode `json:"mode"`
	Since time.Time     `json:"since"`
	Until string        `json:"until"`
}

func (t TimedMode) valid() error {
	switch {
	case t.Until.At.IsZero() || t.Until.Exit:
		return errors.New("a timed mode ends at a time")
	case t.Mode == firewall.ModeAsk || t.Mode == firewall.ModeLock:
		return fmt.Errorf("mode %s does not end by itself", t.Mode)
	}
	return nil
}

// put stores the timed mode; the zero one removes what is there.
func (t TimedMode) put(tx *bbolt.Tx, trail *trail) error {
	b, key := tx.Bucket(settingsBucket), []byte(TimedSetting)
	if t == (TimedMode{}) {
		trail.changes(settingsBucket, key, b.Get(key), nil)
		return b.Delete(key)
	}
	if err := t.valid(); err != nil {
		return err
	}
	text, err := json.Marshal(timedText{t.Mode, t.Since.UTC(), untilText(t.Until)})
	if err != nil {
		return err
	}
	sealed, err := seal(key, string(text))
	if err != nil {
		return err
	}
	trail.changes(settingsBucket, key, b.Get(key), sealed)
	return b.Put(key, sealed)
}

// TimedMode returns the timed mode, zero if there is none. With an error there
// is none either.
func (s *Store) TimedMode() (t TimedMode, err error) {
	var text string
	err = s.view(func(tx *bbolt.Tx) error { return take(tx.Bucket(settingsBucket), []byte(TimedSetting), &text) })
	if err != nil || text == "" {
		return TimedMode{}, err
	}
	return ParseTimedMode(text)
}

// ParseTimedMode reads the text of a [TimedSetting].
func ParseTimedMode(text string) (t TimedMode, err error) {
	var stored timedText
	strict := json.NewDecoder(strings.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&stored); err != nil {
		return TimedMode{}, fmt.Errorf("read the timed mode: %w", err)
	}
	t = TimedMode{Mode: stored.Mode, Since: stored.Since}
	if t.Until, err = parseUntil(stored.Until); err != nil {
		return TimedMode{}, fmt.Errorf("read the timed mode: %w", err)
	}
	if err := t.valid(); err != nil {
		return TimedMode{}, fmt.Errorf("read the timed mode: %w", err)
	}
	return t, nil
}
