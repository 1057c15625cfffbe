//go:build !windows

package link

import (
	"context"
	"net"
)

// DefaultAddress is where engine, windows and commands meet unless told
// otherwise.
const DefaultAddress = DefaultFolder + "/sallyport.sock"

// DefaultFolder is where the socket is unless told otherwise.
const DefaultFolder = "/run/sallyport"

// dial connects to the engine.
func dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialPatience}
	return d.DialContext(ctx, "unix", address)
}
