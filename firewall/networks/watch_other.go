//go:build !linux

package networks

import "context"

// List knows no networks: on this system they are not recognised yet.
func List() ([]Network, error) { return nil, nil }

// Watch calls changed once, with no networks.
func Watch(ctx context.Context, changed func([]Network)) error {
	changed(nil)
	<-ctx.Done()
	return nil
}
