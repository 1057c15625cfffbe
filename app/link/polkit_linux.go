package link

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// Polkit asks polkit whether the peer may do what the action names; a person
// may be asked for a password, for up to two minutes.
func Polkit(ctx context.Context, p Peer, action string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// The connection outlives ctx, so that polkit can be told of its end.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	impatient := context.AfterFunc(ctx, end)
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(life))
	impatient()
	if err != nil {
		return fmt.Errorf("polkit does not answer: %w", err)
	}
	defer conn.Close()
	if startTicks(p.PID) != p.Started || p.Started == 0 {
		return errors.New("the process that asked has ended")
	}
	type subject struct {
		Kind    string
		Details map[string]dbus.Variant
	}
	who := subject{"unix-process", map[string]dbus.Variant{
		"pid":        dbus.MakeVariant(uint32(p.PID)),
		"start-time": dbus.MakeVariant(p.Started),
		"uid":        dbus.MakeVariant(int32(p.UID)),
	}}
	const interactive = uint32(1)
	var result struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	authority, question := conn.Object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"), rand.Text()
	err = authority.CallWithContext(ctx, "org.freedesktop.PolicyKit1.Authority.CheckAuthorization", 0,
		who, action, map[string]string{}, interactive, question).Store(&result)
	if ctx.Err() != nil {
		// Nobody waits for the password any more.
		authority.Call("org.freedesktop.PolicyKit1.Authority.CancelCheckAuthorization", dbus.FlagNoReplyExpected, question)
	}
	switch {
	case err != nil:
		return fmt.Errorf("polkit does not answer: %w", err)
	case result.Authorized:
		return nil
	case result.Challenge:
		return errors.New("polkit found nobody to ask for a password")
	}
	return errors.New("polkit did not agree")
}
