package persistence

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// identities has every field of an identity, in the order of paths.
func identities() []firewall.Identity {
	since := time.Date(2026, 11, 12, 8, 0, 0, 0, time.UTC)
	digest := func(c string) string { return strings.Repeat(c, 64) }
	return []firewall.Identity{
		{Program: "/opt/caf\xe9", Since: since, Stamp: firewall.Stamp{Inode: 3, Changed: 4}},
		{Program: "/usr/bin/curl", Since: since, Proof: firewall.Proof{SHA256: digest("a"), Package: "dpkg:curl", Version: "8.2"},
			Stamp: firewall.Stamp{Device: 1, Generation: 2, Inode: 3, Changed: 4}, Before: firewall.Proof{SHA256: digest("b"), Package: "dpkg:curl", Version: "8.1"}, From: "/usr/bin/c\xfcrl-8.1"},
		{Program: "/usr/bin/wget", Since: since, Proof: firewall.Proof{SHA256: digest("c"), Signer: "Acme", Product: "Wget"}, Strict: true},
	}
}

func TestIdentitiesAreKeptAndForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, _ := open(t, path)
	is := identities()
	if err := s.PutIdentities(is[:2], nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(Update{Put: []firewall.Rule{curl(1)}, Identities: is[2:]}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s, _ = open(t, path)
	if have, err := s.Identities(); err != nil || !slices.Equal(have, is) {
		t.Errorf("have %+v, %v", have, err)
	}
	if err := s.PutIdentities(nil, []string{is[0].Program, "/not/there"}); err != nil {
		t.Fatal(err)
	}
	if have, err := s.Identities(); err != nil || !slices.Equal(have, is[1:]) {
		t.Errorf("left are %+v, %v", have, err)
	}
}

func TestWhatAScriptIsIsKeptUnderItsNameInRules(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	is := identities()[:2]
	is[0].Program, is[1].Program = "script:/home/u/.pyenv/bin/python3.11:/home/u/a.py", "script:python:/home/u/caf\xe9.py"
	if err := s.PutIdentities(is, nil); err != nil {
		t.Fatal(err)
	}
	if have, err := s.Identities(); err != nil || !slices.Equal(have, is) {
		t.Errorf("have %+v, %v", have, err)
	}
}

func TestAnIdentityThatMakesNoSenseIsRefused(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "db"))
	good := identities()[1]
	for name, spoil := range map[string]func(*firewall.Identity){
		"no path":                    func(i *firewall.Identity) { i.Program = "" },
		"a path that is not one":     func(i *firewall.Identity) { i.Program = "curl" },
		"a digest that is cut off":   func(i *firewall.Identity) { i.Proof.SHA256 = "ab" },
		"a digest of other digits":   func(i *firewall.Identity) { i.Before.SHA256 = strings.Repeat("A", 64) },
		"a package without a digest": func(i *firewall.Identity) { i.Proof.SHA256 = "" },
		"half a signature":           func(i *firewall.Identity) { i.Proof.Signer = "Acme" },
		"no time":                    func(i *firewall.Identity) { i.Since = time.Time{} },
	} {
		bad := good
		spoil(&bad)
		if err := s.PutIdentities([]firewall.Identity{bad}, nil); err == nil {
			t.Errorf("%s: stored", name)
		}
		if put, err := s.Update(Update{Put: []firewall.Rule{curl(1)}, Identities: []firewall.Identity{bad}}); err == nil {
			t.Errorf("%s: stored with %+v", name, put)
		}
	}
	if have, err := s.Identities(); err != nil || len(have) > 0 {
		t.Errorf("have %+v, %v", have, err)
	}
	if rules, err := s.Rules(); err != nil || len(rules) > 0 {
		t.Errorf("a rule was stored without what it came with: %+v, %v", rules, err)
	}
}

// Who can damage a record must not get another file taken for the program.
func TestADamagedIdentityProvesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, _ := open(t, path)
	is := identities()
	if err := s.PutIdentities(is, nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := openBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := []byte("bad!{not json")
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(identitiesBucket).Put([]byte(is[1].Program), bad) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, r := open(t, path)
	if r.Damage != "" || len(r.Records) != 1 || !strings.Contains(r.Notes()[0], is[1].Program) {
		t.Errorf("report is %+v", r)
	}
	is[1] = firewall.Identity{Program: is[1].Program}
	if have, err := s.Identities(); err != nil || !slices.Equal(have, is) {
		t.Errorf("have %+v, %v", have, err)
	}
	s.view(func(tx *bbolt.Tx) error {
		if kept := tx.Bucket(asideBucket).Get([]byte("identities/" + is[1].Program)); !bytes.Equal(kept, bad) {
			t.Errorf("kept %q", kept)
		}
		return nil
	})
}
