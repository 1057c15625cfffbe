package app

import (
	"context"
	"os/user"
	"strconv"
	"sync"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
)

type wayKey struct{}

// by is a context in which a change is made in another way than by the windows
// or a command.
func by(ctx context.Context, w firewall.Way) context.Context {
	return context.WithValue(ctx, wayKey{}, w)
}

// author says who makes a change, and in which way. What comes from this
// process itself comes from its windows, save what the engine does by itself.
func author(ctx context.Context) firewall.Author {
	way, said := ctx.Value(wayKey{}).(firewall.Way)
	p, linked := link.PeerFrom(ctx)
	switch {
	case said:
	case linked && !p.Desktop:
		way = firewall.WayCommand
	default:
		way = firewall.WayWindow
	}
	a := firewall.Author{Way: way}
	switch {
	case automatic(way):
	case linked && p.User != "":
		a.User = p.User
	case linked && p.UID >= 0:
		a.User = strconv.Itoa(p.UID)
	case !linked:
		a.User = ourselves()
	}
	return a
}

// automatic tells whether the engine does by itself what is done in this way.
func automatic(w firewall.Way) bool {
	return w == firewall.WayCarried || w == firewall.WayEnded || w == firewall.WaySeen
}

// ourselves is the user of this process: a UID or a SID.
var ourselves = sync.OnceValue(func() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Uid
})

var userNames sync.Map // by UID or SID

// userName is what a user is called, by UID or SID; the number if it has no name.
func userName(id string) string {
	if id == "" || id == "-1" {
		return ""
	}
	if name, known := userNames.Load(id); known {
		return name.(string)
	}
	name := id
	if u, err := user.LookupId(id); err == nil {
		name = u.Username
	}
	userNames.Store(id, name)
	return name
}
