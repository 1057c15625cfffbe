package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

const (
	memberGID = 54321
	memberUID = 54322
	otherUID  = 54323
)

// become drops root.
func become(uid int, groups ...int) error {
	return errors.Join(syscall.Setgroups(groups), syscall.Setresgid(uid, uid, uid), syscall.Setresuid(uid, uid, uid))
}

// peerMain plays a peer of another user, or as whom it was started ("here"): it
// connects as it is told and prints what the engine permits.
func peerMain(role string) int {
	socket := os.Getenv("SALLYPORT_SOCKET")
	err := link.KeepGroupAside()
	switch {
	case role == "here traced":
		return traceMain()
	case strings.HasPrefix(role, "other"):
		err = become(otherUID)
	case strings.HasPrefix(role, "member"):
		err = become(memberUID, memberGID)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	client := link.NewClient(socket)
	switch {
	case strings.HasSuffix(role, "greedy"):
		return greedyMain(socket)
	case strings.HasSuffix(role, "run"):
		return Main([]string{"run", "curl", "x"})
	case strings.HasSuffix(role, "traceable"):
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		client = link.NewDesktopClient(socket, "")
	case strings.HasSuffix(role, "desktop"):
		link.Hide()
		client = link.NewDesktopClient(socket, "")
	}
	if role == "here desktop" {
		fmt.Println("environment", os.Getenv("LIBGL_DRIVERS_PATH"), os.Getenv("MESA_SHADER_CACHE_DISABLE"), syscall.Getegid())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	say := func(what string, err error) {
		switch {
		case err == nil:
			fmt.Println(what, "done")
		case errors.Is(err, ui.ErrRefused):
			fmt.Println(what, "refused:", err)
		default:
			fmt.Println(what, "failed:", err)
		}
	}
	_, err = client.Status(ctx)
	say("status", err)
	_, err = client.AddRule(ctx, ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Allow, Enabled: true})
	say("rule", err)
	say("block", client.SetMode(ctx, firewall.ModeBlock))
	say("off", client.SetMode(ctx, firewall.ModeOff))
	say("lock", client.SetMode(ctx, firewall.ModeLock))
	say("patience", client.SetSetting(ctx, "patience", "20s"))
	say("fail", client.SetSetting(ctx, "fail", "open"))
	say("answer", client.Answer(ctx, ui.Answer{ID: "none", Verdict: firewall.Allow}))
	_, err = client.Import(ctx, []byte("{}"), ui.ImportOptions{Apply: true, Replace: true})
	say("import", err)
	return 0
}

func TestWhoMayDoWhat(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	const none = "\nstatus refused rule refused block refused off refused lock refused patience refused fail refused answer refused import refused"
	const reads = "\nstatus done rule refused block refused off refused lock refused patience refused fail refused answer refused import refused"
	for _, test := range []struct{ role, want string }{
		{"other terminal", none},
		{"other desktop", none},
		{"member terminal", reads},
		{"member traceable", reads},
		{"member desktop", reads},
	} {
		t.Run(test.role, func(t *testing.T) {
			access := link.Access{GID: memberGID, Group: memberGroup, UID: 1}
			r := newRig(t, firewall.ModeAsk, access)
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER="+test.role, "SALLYPORT_SOCKET="+r.socket)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got := ""
			for line := range strings.Lines(string(out)) {
				f := strings.Fields(line)
				if len(f) < 2 {
					t.Fatalf("%s", out)
				}
				got += " " + f[0] + " " + strings.TrimSuffix(f[1], ":")
			}
			if strings.TrimSpace(got) != strings.TrimSpace(test.want) {
				t.Errorf("got  %s\nwant %s\n%s", got, test.want, out)
			}
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, "refused") && !strings.Contains(line, "sudo") && !strings.Contains(line, "traced") {
					t.Errorf("does not say what to do: %s", line)
				}
			}
		})
	}
}

// TestAConnectionThatAnotherProcessWritesOnIsRefused plays a program that opens
// a connection as itself and lets another process use it.
func TestAConnectionThatAnotherProcessWritesOnIsRefused(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: r.socket}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `printf 'GET /v1/status HTTP/1.1\r\nHost: engine\r\n\r\n' >&3; exec cat <&3`)
	cmd.ExtraFiles = []*os.File{f}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "200 OK") || strings.Contains(string(out), "version") {
		t.Fatalf("the engine answered: %s (%v)", out, err)
	}
}

func TestASecondEngineRefusesAndAStaleSocketIsReplaced(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	if _, err := link.Listen(r.socket, onlyUs); !errors.Is(err, link.ErrRunning) {
		t.Fatalf("a second engine: %v", err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// What a killed engine leaves: a socket that nobody serves.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: r.socket}); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	l, err := link.Listen(r.socket, onlyUs)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestTheWatchEndsWithTheEngine(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	client := link.NewClient(r.socket)
	there, ended := make(chan struct{}), make(chan error, 1)
	first := true
	go func() {
		ended <- client.Watch(t.Context(), func(ui.Event) {
			if first {
				first = false
				close(there)
			}
		})
	}()
	<-there
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, ui.ErrGone) {
			t.Fatalf("the watch ended with %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("two seconds after the engine ended the watch goes on")
	}
	if _, err := client.Status(t.Context()); !errors.Is(err, ui.ErrGone) {
		t.Fatalf("status: %v", err)
	}
}
