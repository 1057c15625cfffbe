package names

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	// As system tools do it: the new file replaces the old one whole.
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestTheNameserverLinesAreTheResolvers(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"nameserver 10.0.0.53\n", "[10.0.0.53]"},
		{"# nameserver 10.0.0.1\n; nameserver 10.0.0.2\nnameserver\t10.0.0.53 # office\nsearch nameserver\n", "[10.0.0.53]"},
		{"nameserver fe80::1%eth0\nnameserver ::ffff:10.0.0.53", "[10.0.0.53 fe80::1]"},
		{"nameserver 10.0.0.53\nnameserver 10.0.0.53\nnameserver ::1\n", "[10.0.0.53 ::1]"},
		{"nameserver\nnameserver example.org\nnameserver 10.0.0\n", "[]"},
		{"", "[]"},
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		write(t, path, test.text)
		if got := fmt.Sprint(NewResolvers(path, path+".missing").List()); got != test.want {
			t.Errorf("%q: %s, want %s", test.text, got, test.want)
		}
	}
}

func TestAResolverCountsFromItsFirstPacketOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	r := NewResolvers(path)
	addr := netip.MustParseAddr("10.0.0.53")
	if r.IsResolver(addr) {
		t.Fatal("a resolver without a file")
	}
	write(t, path, "nameserver 10.0.0.53\n")
	if !r.IsResolver(addr) || !r.IsResolver(netip.MustParseAddr("::ffff:10.0.0.53")) {
		t.Error("the new resolver does not count")
	}
	write(t, path, "nameserver fe80::1%eth0\n")
	if !r.IsResolver(netip.MustParseAddr("fe80::1%eth0")) || !r.IsResolver(netip.MustParseAddr("fe80::1")) {
		t.Error("the resolver with a zone does not count")
	}
	if r.IsResolver(addr) {
		t.Error("the old resolver still counts")
	}
}

func TestChangedResolversAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	write(t, path, "nameserver 10.0.0.53\n")
	r := NewResolvers(path)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	told := make(chan string)
	go r.Watch(ctx, func(addrs []netip.Addr) { told <- fmt.Sprint(addrs) })
	for _, want := range []string{"[10.0.0.53]", "[10.0.0.54]", "[10.0.0.54 10.0.0.55]"} {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told %s, want %s", got, want)
			}
		case <-ctx.Done():
			t.Fatal("nothing was told within 20 s")
		}
		text, _ := os.ReadFile(path)
		switch want {
		case "[10.0.0.53]":
			write(t, path, "nameserver 10.0.0.54\n")
		case "[10.0.0.54]":
			write(t, path, string(text)+"nameserver 10.0.0.55\n")
		}
	}
}
