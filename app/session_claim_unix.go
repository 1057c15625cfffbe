//go:build !windows

package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// showPatience bounds the talk with a desktop program that runs already.
const showPatience = 3 * time.Second

// sessionClaim makes the desktop program the only one of its session: a second
// one finds the socket and asks the first to show itself.
type sessionClaim struct{ listener net.Listener }

// claimSession claims the session, or returns errShown.
func claimSession(ctx context.Context) (*sessionClaim, error) {
	path, err := claimPath()
	if err != nil {
		return nil, err
	}
	for range 2 {
		if showOther(ctx, path) == nil {
			return nil, errShown
		}
		// Nobody answers: what is there was left behind.
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("replace the socket of an earlier desktop program: %w", err)
		}
		listener, err := net.Listen("unix", path)
		if err == nil {
			return &sessionClaim{listener}, nil
		}
	}
	return nil, fmt.Errorf("listen on %s: another desktop program is starting", path)
}

// claimPath is a socket that only this user can reach, one for each display.
func claimPath() (string, error) {
	folder := os.Getenv("XDG_RUNTIME_DIR")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a folder for the desktop program's socket: %w", err)
		}
		folder = cache
	}
	folder = filepath.Join(folder, "sallyport")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the desktop program's socket: %w", err)
	}
	display := strings.Map(func(r rune) rune {
		if r == '/' || r == os.PathSeparator {
			return '_'
		}
		return r
	}, os.Getenv("DISPLAY"))
	return filepath.Join(folder, "desktop"+display+".sock"), nil
}

// showOther asks the desktop program behind a socket to show itself.
func showOther(ctx context.Context, path string) error {
	d := net.Dialer{Timeout: showPatience}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(showPatience)); err != nil {
		return err
	}
	// It answers with one byte once it has understood.
	_, err = conn.Read(make([]byte, 1))
	return err
}

// serve calls show for each further start, until the claim is closed.
func (c *sessionClaim) serve(show func()) {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		show()
		conn.SetDeadline(time.Now().Add(showPatience))
		conn.Write([]byte{'.'})
		conn.Close()
	}
}

// Close gives the session up.
func (c *sessionClaim) Close() error { return c.listener.Close() }
