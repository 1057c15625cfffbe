package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// timedSetting is kept beside the mode that it goes back to: where it is lost
// or cannot be read, that mode is in force.
const timedSetting = "mode-timed"

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
func (t TimedMode) put(tx *bbolt.Tx) error {
	b := tx.Bucket(settingsBucket)
	if t == (TimedMode{}) {
		return b.Delete([]byte(timedSetting))
	}
	if err := t.valid(); err != nil {
		return err
	}
	text, err := json.Marshal(timedText{t.Mode, t.Since.UTC(), untilText(t.Until)})
	if err != nil {
		return err
	}
	return put(b, []byte(timedSetting), string(text))
}

// TimedMode returns the timed mode, zero if there is none. With an error there
// is none either.
func (s *Store) TimedMode() (t TimedMode, err error) {
	var text string
	err = s.view(func(tx *bbolt.Tx) error { return take(tx.Bucket(settingsBucket), []byte(timedSetting), &text) })
	if err != nil || text == "" {
		return TimedMode{}, err
	}
	var stored timedText
	if err := decodeStrict([]byte(text), &stored); err != nil {
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
