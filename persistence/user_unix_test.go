//go:build !windows

package persistence

import (
	"path/filepath"
	"testing"
)

func TestOneMoreUserMayDecide(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	for _, v := range []string{"a b", "a:b", "../x"} {
		if err := s.SetSetting("user", v); err == nil {
			t.Errorf("%q is a user's name", v)
		}
	}
	if err := s.SetSetting("user", "anna"); err != nil {
		t.Fatal(err)
	}
	if have, err := s.Settings(); err != nil || have.User != "anna" {
		t.Errorf("%+v %v", have, err)
	}
}
