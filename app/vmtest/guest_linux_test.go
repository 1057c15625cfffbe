package vmtest_test

import (
	"strings"
	"testing"
	"time"
)

// The guest itself must be right before anything is said about the program in
// it: names, connections out and in, and a restart.
func TestGuestIsAComputerWithANetwork(t *testing.T) {
	g := boot(t)
	ctx := deadline(t, 5*time.Minute)
	for _, script := range []string{
		"systemctl start outside && curl -sS --retry 10 --retry-connrefused -m 30 http://peer.test/",
		"outside udp 10.99.0.2:7",
		"mkdir -p /tmp/www && cp /usr/local/bin/outside /tmp/www/server; (/tmp/www/server serve /tmp/www/log >/dev/null 2>&1 &); ip netns exec outside curl -sS --retry 10 --retry-connrefused -m 30 http://10.99.0.1/",
	} {
		r, err := g.Run(ctx, script, nil)
		if err != nil || r.Code != 0 || strings.TrimSpace(r.Stdout) != "ok" {
			t.Errorf("%s: %+v %v", script, r, err)
		}
	}
	if err := g.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := g.Run(ctx, "cat /var/log/arrivals", nil); err != nil || !strings.Contains(r.Stdout, "udp 10.99.0.1") {
		t.Errorf("after a reboot: %+v %v", r, err)
	}
}
