package uitest

import "sync/atomic"

// Autostart is a [ui.Autostart] in memory.
type Autostart struct{ on atomic.Bool }

// Enabled implements [ui.Autostart].
func (a *Autostart) Enabled() (bool, error) { return a.on.Load(), nil }

// Enable implements [ui.Autostart].
func (a *Autostart) Enable() error { a.on.Store(true); return nil }

// Disable implements [ui.Autostart].
func (a *Autostart) Disable() error { a.on.Store(false); return nil }
