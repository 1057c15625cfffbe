package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// others checks that the engine asks, answers and tells while something else
// goes on.
func (r *rig) others(t *testing.T, n int) {
	t.Helper()
	start := time.Now()
	client := link.NewClient(r.socket)
	c, p := r.ask(t, attempt(fmt.Sprintf("/usr/bin/other%d", n), "192.0.2.1:443"))
	if err := client.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 2*time.Second && !raceEnabled {
		t.Errorf("others waited %v", took)
	}
}

// many puts lines into the log.
func (r *rig) many(n int) {
	for i := range n {
		a := attempt("/usr/bin/curl", "192.0.2.1:443")
		a.Remote = netip.AddrPortFrom(a.Remote.Addr(), uint16(i))
		r.engine.Decided(firewall.Entry{Attempt: a, Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByRule}, Count: 1})
	}
}

// dialRaw connects without a client of ours, and ends with the test.
func dialRaw(t *testing.T, socket, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	return c
}

// ends reads until the engine closes the connection.
func ends(t *testing.T, c net.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	text, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the engine keeps the connection after %d bytes", len(text))
	}
	return string(text)
}

func TestASlowClientHoldsUpNobody(t *testing.T) {
	if !privileged(t) {
		t.Skip("answering from a terminal needs root")
	}
	r := newRig(t, firewall.ModeAsk, onlyUs)
	socket := r.serveAlso(t, &link.Server{Control: r.Control, Access: onlyUs, Patience: 300 * time.Millisecond})
	for i, test := range []struct{ name, send string }{
		{"says nothing", ""},
		{"half a line", "GET /v1/sta"},
		{"half a head", "GET /v1/status HTTP/1.1\r\nHost: engine\r\n"},
		{"half a body", "POST /v1/answer HTTP/1.1\r\nHost: engine\r\nContent-Length: 1000\r\n\r\n{"},
		{"half an import", "POST /v1/import?apply=true HTTP/1.1\r\nHost: engine\r\nContent-Length: 30000000\r\n\r\n{"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dialRaw(t, socket, test.send)
			r.others(t, i)
			if text := ends(t, c); strings.Contains(text, "200 OK") {
				t.Errorf("the engine answered %q", text)
			}
		})
	}
	t.Run("a watch that is not read", func(t *testing.T) {
		c := dialRaw(t, socket, "GET /v1/watch HTTP/1.1\r\nHost: engine\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		// More than fits between the two.
		for i := range 20 {
			r.many(1000)
			r.log(t, ui.LogQuery{Limit: 1})
			r.others(t, 100+i)
		}
		within(t, "the watch is let go", func() bool {
			r.hub.mu.Lock()
			defer r.hub.mu.Unlock()
			return len(r.hub.watchers) == 0
		})
	})
	t.Run("a log that is not read", func(t *testing.T) {
		const query = `{"limit":20000}`
		c := dialRaw(t, socket, fmt.Sprintf("POST /v1/log HTTP/1.1\r\nHost: engine\r\nContent-Length: %d\r\n\r\n%s", len(query), query))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		r.others(t, 200)
		// The log goes on, and the engine gives up on the reader.
		if len(r.log(t, ui.LogQuery{Limit: 20000})) < 20000 {
			t.Error("the log is short")
		}
		pause()
		r.others(t, 201)
	})
	t.Run("too much to import", func(t *testing.T) {
		_, err := link.NewClient(r.socket).Import(t.Context(), make([]byte, 33<<20), ui.ImportOptions{Apply: true, Replace: true})
		if err == nil || !strings.Contains(err.Error(), "too large") && !errors.Is(err, ui.ErrGone) {
			t.Errorf("a document of 33 MiB: %v", err)
		}
	})
}

// greedyMain opens more connections than anybody needs, asks for the whole log
// on each, and reads nothing.
func greedyMain(socket string) int {
	var open []net.Conn
	for range 400 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			break
		}
		open = append(open, c)
		const query = `{"limit":100000}`
		fmt.Fprintf(c, "POST /v1/log HTTP/1.1\r\nHost: engine\r\nContent-Length: %d\r\n\r\n%s", len(query), query)
	}
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin)
	for _, c := range open {
		c.Close()
	}
	return 0
}

func TestNobodyKeepsTheOthersOut(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	// A named user's folder and socket can be reached by all.
	r := newRig(t, firewall.ModeAsk, link.Access{GID: memberGID, Group: memberGroup, UID: 1})
	r.many(5000)
	r.log(t, ui.LogQuery{Limit: 1})
	for _, role := range []string{"other greedy", "member greedy"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER="+role, "SALLYPORT_SOCKET="+r.socket)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		startPart(t, cmd)
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
			t.Fatalf("%s says %q: %v", role, line, err)
		}
		if role == "other greedy" && !strings.Contains(fromATerminal(t, r.socket), "status done") {
			t.Error("a stranger keeps a member out")
		}
		r.others(t, len(role))
	}
}

func TestAHundredWatchersSeeEverything(t *testing.T) {
	if !privileged(t) {
		t.Skip("answering from a terminal needs root")
	}
	r := newRig(t, firewall.ModeAsk, onlyUs)
	const lines = 1000
	watchers := 100
	if raceEnabled {
		watchers = 10 // each is two programs here, ten times slower
	}
	var ended, there sync.WaitGroup
	var starved atomic.Int32
	there.Add(watchers)
	for range watchers {
		ended.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			got, first := 0, true
			err := link.NewClient(r.socket).Watch(ctx, func(e ui.Event) {
				if first {
					first = false
					there.Done()
				}
				for _, l := range e.Log {
					if l.Kind == "flow" && l.Program == "/usr/bin/curl" {
						got++
					}
				}
				if got == lines {
					cancel()
				}
			})
			switch {
			case got < lines && errors.Is(err, ui.ErrGone):
				starved.Add(1) // it came to read only after two seconds
			case got != lines:
				t.Errorf("a watcher saw %d lines of %d, and ended with %v", got, lines, err)
			}
		})
	}
	there.Wait()
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	start := time.Now()
	r.many(lines)
	r.others(t, 1)
	ended.Wait()
	if n := int(starved.Load()); n > watchers/2 {
		t.Errorf("%d of %d watchers lost sight of the engine", n, watchers)
	}
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	t.Logf("%d lines at %d watchers: %v, %v of processor time on both sides", lines, watchers, time.Since(start).Round(time.Millisecond),
		time.Duration(after.Utime.Nano()-before.Utime.Nano()+after.Stime.Nano()-before.Stime.Nano()).Round(time.Millisecond))
}
