package persistence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// documentFormat is the format of the documents written. Later versions read
// it too.
const documentFormat = 1

// Document is what an export holds: everything that a person decided. As text
// it has one JSON object a line, see [Document.Encode].
type Document struct {
	// LastID is the number of the last rule that got its ID from the store:
	// the ID of a rule that was removed is not given again.
	LastID   uint64
	Mode     *firewall.Mode // nil if nobody chose one
	Settings map[string]string
	Rules    []firewall.Rule
}

// LineError is what is wrong with a line of a document.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// documentLine is one line: exactly one of the fields is set, value goes with
// setting.
type documentLine struct {
	Sallyport int            `json:"sallyport,omitempty"` // the format; the first line
	LastID    uint64         `json:"last_id,omitempty"`   // goes with sallyport
	Mode      *firewall.Mode `json:"mode,omitempty"`
	Setting   string         `json:"setting,omitempty"`
	Value     *string        `json:"value,omitempty"`
	Rule      *documentRule  `json:"rule,omitempty"`
}

// documentRule is a rule that is enabled unless it says otherwise.
type documentRule struct {
	ruleText
	Enabled *bool `json:"enabled"`
}

// Document returns what an export of the store holds.
func (s *Store) Document() (d Document, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		if d.Rules, err = readRules(tx); err != nil {
			return err
		}
		d.LastID = tx.Bucket(rulesBucket).Sequence()
		if d.Settings, err = readSettings(tx); err != nil {
			return err
		}
		m, chosen, err := readMode(tx)
		if chosen {
			d.Mode = &m
		}
		return err
	})
	return d, err
}

// Encode writes the document as text: the first line {"sallyport":1,"last_id":N}, then
// lines such as {"mode":"ask"}, {"setting":"patience","value":"30s"} and
// {"rule":{…}}. A person may add empty lines, and comments that start with #.
func (d Document) Encode() ([]byte, error) {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	lines := []documentLine{{Sallyport: documentFormat, LastID: d.LastID}}
	if d.Mode != nil {
		lines = append(lines, documentLine{Mode: d.Mode})
	}
	for _, def := range definitions {
		if v, ok := d.Settings[def.Name]; ok {
			lines = append(lines, documentLine{Setting: def.Name, Value: &v})
		}
	}
	for _, l := range lines {
		if err := w.Encode(l); err != nil {
			return nil, err
		}
	}
	for _, r := range d.Rules {
		if err := w.Encode(struct {
			Rule ruleText `json:"rule"`
		}{textOf(r)}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// DecodeDocument reads the text of a document. It refuses it whole, with a
// [LineError], if anything in it is not understood or not valid.
func DecodeDocument(text []byte) (Document, error) {
	d := Document{Settings: map[string]string{}}
	ids := map[firewall.RuleID]int{}
	begun := false
	for i := 1; len(text) > 0; i++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := d.decodeLine(line, i, !begun, ids); err != nil {
			return Document{}, &LineError{i, err}
		}
		begun = true
	}
	if !begun {
		return Document{}, &LineError{1, errors.New(`want {"sallyport":1} first`)}
	}
	return d, nil
}

func (d *Document) decodeLine(line []byte, i int, first bool, ids map[firewall.RuleID]int) error {
	var l documentLine
	if err := decodeStrict(line, &l); err != nil {
		return err
	}
	set := 0
	for _, is := range []bool{l.Sallyport != 0, l.Mode != nil, l.Setting != "", l.Rule != nil} {
		if is {
			set++
		}
	}
	if set != 1 || (l.Value != nil) != (l.Setting != "") || l.LastID != 0 && l.Sallyport == 0 {
		return errors.New("want one of sallyport, mode, setting with value, or rule")
	}
	switch {
	case first && l.Sallyport == 0:
		return errors.New(`want {"sallyport":1} first`)
	case l.Sallyport != 0:
		if !first {
			return errors.New("a second beginning")
		}
		if l.Sallyport != documentFormat {
			return fmt.Errorf("format %d: this version reads format %d", l.Sallyport, documentFormat)
		}
		d.LastID = l.LastID
	case l.Mode != nil:
		if d.Mode != nil {
			return errors.New("a second mode")
		}
		if *l.Mode == firewall.ModeLearn {
			return errors.New("mode learn ends by itself, and is in no document")
		}
		d.Mode = l.Mode
	case l.Setting != "":
		if _, ok := d.Settings[l.Setting]; ok {
			return fmt.Errorf("setting %s a second time", l.Setting)
		}
		if err := checkSetting(l.Setting, *l.Value, new(Settings)); err != nil {
			return err
		}
		d.Settings[l.Setting] = *l.Value
	default:
		t := l.Rule.ruleText
		t.Enabled = l.Rule.Enabled == nil || *l.Rule.Enabled
		r, err := t.rule()
		if err != nil {
			return err
		}
		if ids[r.ID] != 0 {
			return fmt.Errorf("rule %s is already in line %d", r.ID, ids[r.ID])
		}
		ids[r.ID] = i
		d.Rules = append(d.Rules, r)
	}
	return nil
}

// Replace makes the rules and settings those of the document, in one
// transaction: rules that the document does not have are removed, those that
// it has keep their hits. It returns the rules as they are stored, and which
// ones were removed.
func (s *Store) Replace(d Document) (stored []firewall.Rule, removed []firewall.RuleID, err error) {
	return s.replaceIn(s.update, d)
}

func (s *Store) replaceIn(in transaction, d Document) (stored []firewall.Rule, removed []firewall.RuleID, err error) {
	err = in(func(tx *bbolt.Tx) (err error) {
		stored, removed, err = replace(tx, d)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("import: %w", err)
	}
	s.touch()
	return stored, removed, nil
}

func replace(tx *bbolt.Tx, d Document) (stored []firewall.Rule, removed []firewall.RuleID, err error) {
	keep := map[string]bool{}
	for _, r := range d.Rules {
		keep[string(r.ID)] = true
	}
	u := Update{Put: d.Rules, Settings: d.Settings, Mode: d.Mode}
	err = tx.Bucket(rulesBucket).ForEach(func(k, _ []byte) error {
		if !keep[string(k)] {
			u.Remove = append(u.Remove, firewall.RuleID(k))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var names [][]byte
	err = tx.Bucket(settingsBucket).ForEach(func(k, _ []byte) error {
		if string(k) != modeSetting && string(k) != timedSetting {
			names = append(names, slices.Clone(k))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if err := tx.Bucket(settingsBucket).Delete(name); err != nil {
			return nil, nil, err
		}
	}
	if err := skipIDs(tx, min(d.LastID, maxID)); err != nil {
		return nil, nil, err
	}
	stored, err = u.apply(tx)
	return stored, u.Remove, err
}
