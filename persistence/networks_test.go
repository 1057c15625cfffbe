package persistence

import (
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

func TestNetworksAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.Networks(); err != nil || len(all) != 0 {
		t.Fatalf("at first there are %+v, %v", all, err)
	}
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	home := Network{"00:00:5e:00:53:01 192.168.1.0/24", firewall.TrustedZone, "eth0", []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}, at, at}
	bad := Network{"203.0.113.0/24", firewall.BlockedZone, "", []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, at, at}
	if err := s.PutNetworks([]Network{home}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(Update{Networks: []Network{bad}}); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []Network{{}, {ID: "x", Zone: firewall.ThisComputer}, {ID: "x", Zone: 9}, {ID: "x", Prefixes: []netip.Prefix{{}}}} {
		if err := s.PutNetworks([]Network{wrong}); err == nil {
			t.Errorf("%+v was stored", wrong)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, _, err = Open(path); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Networks(); err != nil || !reflect.DeepEqual(all, []Network{home, bad}) {
		t.Errorf("after a restart there are %+v, %v", all, err)
	}
	if _, err := s.Update(Update{Forget: []string{bad.ID}}); err != nil {
		t.Fatal(err)
	}
	err = s.update(func(tx *bbolt.Tx) error { return tx.Bucket(networksBucket).Put([]byte(home.ID), []byte("damaged")) })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A record that cannot be read is set aside, and said so.
	s, report, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if all, err := s.Networks(); err != nil || len(all) != 0 || len(report.Notes()) == 0 {
		t.Errorf("after damage there are %+v, %v; notes %q", all, err, report.Notes())
	}
}
