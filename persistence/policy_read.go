package persistence

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport.dev/sallyport/firewall"
)

// LineError is what is wrong with a line of a policy file.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// policyReader reads a policy file from its syntax tree: the library decodes
// values only without their lines, which a person needs who mends the file.
type policyReader struct {
	parser unstable.Parser
	file   Document
	begun  bool           // the format was read
	table  string         // which table the lines are of: "", settings or rule
	keys   map[string]int // the lines of the keys in it
	tables map[string]int // the lines of the tables that can be there once
	ids    map[firewall.RuleID]int
	rule   policyRule
	start  int // the line that the rule begins in

	counted, line int // the line is that of the byte counted
}

// DecodeDocument reads the text of a policy file. It refuses it whole, with a
// [LineError], if anything in it is not understood or not valid.
func DecodeDocument(text []byte) (Document, error) {
	text = slices.Clip(text)
	r := policyReader{keys: map[string]int{}, tables: map[string]int{}, ids: map[firewall.RuleID]int{}, line: 1}
	r.file.Settings = map[string]string{}
	r.parser.Reset(text)
	for r.parser.NextExpression() {
		at, err := r.expression(r.parser.Expression())
		if err != nil {
			return Document{}, &LineError{at, err}
		}
	}
	if r.parser.Error() != nil {
		return Document{}, syntaxError(text)
	}
	if err := r.endTable(); err != nil {
		return Document{}, &LineError{r.start, err}
	}
	if !r.begun {
		return Document{}, &LineError{1, errNoPolicy}
	}
	return r.file, nil
}

var errNoPolicy = fmt.Errorf("want sallyport = %d first: this is no policy file of Sallyport", policyFormat)

// syntaxError says where the text is no TOML.
func syntaxError(text []byte) error {
	var e *toml.DecodeError
	if err := toml.Unmarshal(text, &map[string]any{}); errors.As(err, &e) {
		line, _ := e.Position()
		return &LineError{line, fmt.Errorf("not TOML: %s", strings.TrimPrefix(e.Error(), "toml: "))}
	}
	return &LineError{1, errNoPolicy}
}

// at returns the line of a byte of the text; they are asked for in order.
func (r *policyReader) at(offset uint32) int {
	if n := int(offset); n > r.counted {
		r.line += bytes.Count(r.parser.Data()[r.counted:n], []byte{'\n'})
		r.counted = n
	}
	return r.line
}

// expression reads a key with its value, or the head of a table.
func (r *policyReader) expression(e *unstable.Node) (line int, err error) {
	if e.Kind != unstable.KeyValue && e.Kind != unstable.Table && e.Kind != unstable.ArrayTable {
		return r.line, nil
	}
	var name []string
	key := e.Key()
	for key.Next() {
		if len(name) == 0 {
			line = r.at(key.Node().Raw.Offset)
		}
		name = append(name, string(key.Node().Data))
	}
	if !r.begun && (e.Kind != unstable.KeyValue || name[0] != "sallyport") {
		return line, errNoPolicy
	}
	if e.Kind != unstable.KeyValue {
		if err := r.endTable(); err != nil {
			return r.start, err
		}
		return line, r.beginTable(strings.Join(name, "."), e.Kind == unstable.ArrayTable, line)
	}
	if len(name) > 1 {
		return line, fmt.Errorf("%s: want one name before the =, in the table that it belongs to", strings.Join(name, "."))
	}
	if first, ok := r.keys[name[0]]; ok {
		return line, fmt.Errorf("%s is already in line %d: keep one of the two", name[0], first)
	}
	r.keys[name[0]] = line
	return line, r.value(name[0], e.Value())
}

// beginTable begins settings or a rule.
func (r *policyReader) beginTable(name string, list bool, line int) error {
	clear(r.keys)
	r.table, r.start = name, line
	switch {
	case name == "settings" && !list:
		if first, ok := r.tables[name]; ok {
			return fmt.Errorf("[settings] is already in line %d: put all settings there", first)
		}
		r.tables[name] = line
	case name == "rule" && list:
		r.rule = policyRule{}
	default:
		return fmt.Errorf("table %q: want [settings] or [[rule]]", name)
	}
	return nil
}

// endTable takes a rule that is complete.
func (r *policyReader) endTable() error {
	if r.table != "rule" {
		return nil
	}
	r.table = ""
	if _, ok := r.keys["verdict"]; !ok {
		return errors.New("the rule has no verdict: want allow, block or ask")
	}
	rule, err := r.rule.rule()
	if err != nil {
		return err
	}
	if line := r.ids[rule.ID]; line != 0 && rule.ID != "" {
		return fmt.Errorf("rule %s is already in line %d: give one of them another id, or none", rule.ID, line)
	}
	r.ids[rule.ID] = r.start
	r.file.Rules = append(r.file.Rules, rule)
	return nil
}

// value reads the value of a key.
func (r *policyReader) value(name string, v *unstable.Node) (err error) {
	switch {
	case r.table == "settings":
		return r.setting(name, v)
	case r.table == "rule":
		field, known := policyFields[name]
		if !known {
			return fmt.Errorf("a rule has no %q: want %s", name, inWords(policyNames))
		}
		return readValue(name, v, reflect.ValueOf(&r.rule).Elem().Field(field))
	case name == "sallyport":
		var format uint64
		if err := readValue(name, v, reflect.ValueOf(&format).Elem()); err != nil {
			return err
		}
		if r.begun = true; format != policyFormat {
			return fmt.Errorf("format %d: this version reads format %d", format, policyFormat)
		}
		return nil
	case name == "last_id":
		return readValue(name, v, reflect.ValueOf(&r.file.LastID).Elem())
	case name == "mode":
		r.file.Mode = new(firewall.Mode)
		err := readValue(name, v, reflect.ValueOf(r.file.Mode).Elem())
		if err == nil && *r.file.Mode == firewall.ModeLearn {
			err = errors.New("mode learn ends by itself, and is in no file: want ask, allow, block, off or lock")
		}
		return err
	}
	return fmt.Errorf("%q: want sallyport, last_id or mode here, [settings], or [[rule]]", name)
}

func (r *policyReader) setting(name string, v *unstable.Node) error {
	var text string
	if err := readValue(name, v, reflect.ValueOf(&text).Elem()); err != nil {
		return err
	}
	if err := checkSetting(name, text, new(Settings)); errors.Is(err, ErrNoSetting) && isElsewhere(name) {
		r.file.Notes = append(r.file.Notes, fmt.Sprintf("setting %s is not of this system (%s) and was left out", name, runtime.GOOS))
		return nil
	} else if err != nil {
		return err
	}
	r.file.Settings[name] = text
	return nil
}

// policyFields are the fields of a rule by their names, policyNames these in
// their order.
var policyFields, policyNames = func() (fields map[string]int, names []string) {
	fields = map[string]int{}
	t := reflect.TypeFor[policyRule]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("toml"), ",")
		fields[name], names = i, append(names, name)
	}
	return fields, names
}()

// readValue sets a field to a value of the type that it has.
func readValue(name string, v *unstable.Node, field reflect.Value) error {
	want := ""
	switch into := field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler: // time.Time is one, too
		if at, ok := into.(*time.Time); ok {
			want = "a time such as 2026-01-31T12:00:00Z, without quotes"
			if v.Kind == unstable.DateTime {
				t, err := scalar[time.Time](v)
				if err == nil && isDate(t) {
					*at = t
					return nil
				}
			}
		} else if want = "a text in quotes"; v.Kind == unstable.String {
			err := into.UnmarshalText(v.Data)
			if err != nil && !strings.HasPrefix(err.Error(), name) {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return err
		}
	case *string:
		if want = "a text in quotes"; v.Kind == unstable.String {
			*into = string(v.Data)
			return nil
		}
	case *bool, **bool:
		if want = "true or false, without quotes"; v.Kind == unstable.Bool {
			is := string(v.Data) == "true"
			if field.Kind() == reflect.Bool {
				field.SetBool(is)
			} else {
				field.Set(reflect.ValueOf(&is))
			}
			return nil
		}
	default:
		want = fmt.Sprintf("a number from 0 to %d, without quotes", uint64(1)<<min(field.Type().Bits(), 63)-1)
		if v.Kind == unstable.Integer {
			n, err := scalar[int64](v)
			if err == nil && n >= 0 && !field.OverflowUint(uint64(n)) {
				field.SetUint(uint64(n))
				return nil
			}
		}
	}
	return fmt.Errorf("%s = %.80s: want %s", name, v.Data, want)
}

// scalar reads a number or a time as the library does: the syntax tree has
// them only as they are written.
func scalar[T any](v *unstable.Node) (T, error) {
	var read struct{ V T }
	err := toml.Unmarshal(append([]byte("V = "), v.Data...), &read)
	return read.V, err
}

// isDate tells whether a time can be written in four digits for its year.
func isDate(t time.Time) bool { y := t.UTC().Year(); return 1 <= y && y <= 9999 }
