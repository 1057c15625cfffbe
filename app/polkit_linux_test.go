package app

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
)

// authority answers as polkit does, from the other end of a real bus.
type authority struct {
	yes       func(action string) (authorized, challenge bool)
	wait      chan struct{} // an answer comes once this is closed; nil: at once
	asked     chan struct{}
	cancelled chan string
}

// slowAuthority agrees once its wait is closed.
func slowAuthority() *authority {
	return &authority{
		yes:  func(string) (bool, bool) { return true, false },
		wait: make(chan struct{}), asked: make(chan struct{}, 100), cancelled: make(chan string, 100),
	}
}

type authorization struct {
	Authorized, Challenge bool
	Details               map[string]string
}

type subject struct {
	Kind    string
	Details map[string]dbus.Variant
}

func (a *authority) CheckAuthorization(s subject, action string, _ map[string]string, _ uint32, id string) (authorization, *dbus.Error) {
	if s.Kind != "unix-process" || s.Details["uid"].Value() != int32(memberUID) {
		return authorization{}, dbus.MakeFailedError(errors.New("asked about somebody else"))
	}
	if a.wait != nil {
		a.asked <- struct{}{}
		select {
		case <-a.wait:
		case got := <-a.cancelled:
			a.cancelled <- got
			return authorization{}, dbus.MakeFailedError(errors.New("cancelled"))
		}
	}
	authorized, challenge := a.yes(action)
	return authorization{authorized, challenge, map[string]string{}}, nil
}

func (a *authority) CancelCheckAuthorization(id string) *dbus.Error {
	a.cancelled <- id
	return nil
}

func (a *authority) serve(t *testing.T) {
	serveName(t, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", a)
}

// fromATerminal says what a member of the group gets from a terminal.
func fromATerminal(t *testing.T, socket string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER=member terminal", "SALLYPORT_SOCKET="+socket)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

var membersWithPolkit = link.Access{GID: memberGID, Group: memberGroup, Polkit: link.Polkit}

func TestPolkitDecidesWhatATerminalMay(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	always := func(authorized, challenge bool) func(string) (bool, bool) {
		return func(string) (bool, bool) { return authorized, challenge }
	}
	for _, test := range []struct {
		name string
		yes  func(string) (bool, bool) // nil: there is no polkit on the bus
		want []string
	}{
		{"yes", always(true, false), []string{"status done", "rule done", "block done", "off done", "lock done", "fail done"}},
		{"yes to managing only", func(action string) (bool, bool) { return action == link.ActionManage, false },
			[]string{"rule done", "block done", "patience done", "off refused", "lock refused", "fail refused", "import refused", "polkit did not agree"}},
		{"no", always(false, false), []string{"status done", "rule refused", "block refused", "off refused", "polkit did not agree", "run it with sudo"}},
		{"nobody to ask", always(false, true), []string{"status done", "rule refused", "found nobody to ask for a password", "run it with sudo"}},
		{"no polkit", nil, []string{"status done", "rule refused", "polkit does not answer", "run it with sudo"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			startBus(t)
			if test.yes != nil {
				(&authority{yes: test.yes}).serve(t)
			}
			said := fromATerminal(t, newRig(t, firewall.ModeAsk, membersWithPolkit).socket)
			for _, want := range test.want {
				if !strings.Contains(said, want) {
					t.Errorf("want %q in\n%s", want, said)
				}
			}
		})
	}
	t.Run("no bus", func(t *testing.T) {
		t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
		said := fromATerminal(t, newRig(t, firewall.ModeAsk, membersWithPolkit).socket)
		if !strings.Contains(said, "status done") || !strings.Contains(said, "rule refused: not permitted: this needs root, or the consent of polkit: polkit does not answer") {
			t.Errorf("it says\n%s", said)
		}
	})
}

// TestTheRealPolkitDecides has polkitd itself on the bus, with our actions.
func TestTheRealPolkitDecides(t *testing.T) {
	if !privileged(t) {
		t.Skip("polkitd needs root")
	}
	var polkitd string
	for _, path := range []string{"/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd"} {
		if _, err := os.Stat(path); err == nil {
			polkitd = path
		}
	}
	if polkitd == "" {
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal("polkitd is not installed")
		}
		t.Skip("polkitd is not installed")
	}
	startBus(t)
	policy, err := filepath.Abs("../packaging/dev.sallyport.policy")
	if err != nil {
		t.Fatal(err)
	}
	// Its folders are its own ones only in its mount namespace.
	polkit := exec.Command("unshare", "-m", "sh", "-ec", `
mount -t tmpfs none /usr/share/polkit-1/actions; cp "$1" /usr/share/polkit-1/actions/
mkdir -p /etc/polkit-1/rules.d; mount -t tmpfs -o mode=755 none /etc/polkit-1/rules.d
echo 'polkit.addRule(function(a, s) { if (a.id == "dev.sallyport.manage") return polkit.Result.YES;
  if (a.id == "dev.sallyport.weaken") return polkit.Result.NO; });' >/etc/polkit-1/rules.d/10.rules
chmod 644 /etc/polkit-1/rules.d/10.rules
exec "$2" --no-debug`, "sh", policy, polkitd)
	startPart(t, polkit)
	within(t, "polkitd answers", func() bool {
		conn, err := dbus.ConnectSystemBus()
		if err != nil {
			return false
		}
		defer conn.Close()
		var owned bool
		err = conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.PolicyKit1").Store(&owned)
		return err == nil && owned
	})
	said := fromATerminal(t, newRig(t, firewall.ModeAsk, membersWithPolkit).socket)
	for _, want := range []string{"status done", "rule done", "block done", "patience done", "off refused", "lock refused", "fail refused", "import refused"} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in\n%s", want, said)
		}
	}
}

// TestAPersonMayTakeLongerToTypeThanARequestMayToArrive: the time that a
// request has is over long before polkit answers.
func TestAPersonMayTakeLongerToTypeThanARequestMayToArrive(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	startBus(t)
	slow := slowAuthority()
	slow.serve(t)
	r := newRig(t, firewall.ModeAsk, membersWithPolkit)
	const patience = 100 * time.Millisecond
	socket := r.serveAlso(t, &link.Server{Control: r.Control, Access: membersWithPolkit, Patience: patience})
	typed := time.AfterFunc(10*patience, func() { close(slow.wait) })
	defer typed.Stop()
	if said := fromATerminal(t, socket); !strings.Contains(said, "rule done") {
		t.Errorf("it says\n%s", said)
	}
}

// TestWhoLeavesIsNotAskedForAPassword: the dialog goes when the command does.
func TestWhoLeavesIsNotAskedForAPassword(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	startBus(t)
	slow := slowAuthority()
	slow.serve(t)
	r := newRig(t, firewall.ModeAsk, membersWithPolkit)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER=member terminal", "SALLYPORT_SOCKET="+r.socket)
	startPart(t, cmd)
	<-slow.asked
	// Nobody else waits for the password.
	if _, err := link.NewClient(r.socket).Status(t.Context()); err != nil {
		t.Error(err)
	}
	cmd.Process.Kill()
	select {
	case id := <-slow.cancelled:
		if id == "" {
			t.Error("cancelled without saying what")
		}
	case <-time.After(10 * time.Second):
		t.Error("polkit goes on asking")
	}
}

// serveAlso serves on a second socket.
func (r *rig) serveAlso(t *testing.T, s *link.Server) (socket string) {
	t.Helper()
	socket = filepath.Join(r.dir, "also.sock")
	l, err := link.Listen(socket, s.Access)
	if err != nil {
		t.Fatal(err)
	}
	serveUntilEnd(t, s, l)
	return socket
}

func serveUntilEnd(t *testing.T, s *link.Server, l net.Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
