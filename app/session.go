package app

// session is the active login session, if that decides who asks.
func (h *hub) session(prompts int) string {
	if prompts == 0 || h.desktops() < 2 {
		return ""
	}
	return activeSession()
}

// follow lets open questions go along when the person turns to another session.
func (h *hub) follow() {
	h.mu.Lock()
	open := len(h.shown)
	h.mu.Unlock()
	session := h.session(open)
	h.mu.Lock()
	defer h.mu.Unlock()
	if open > 0 && session != h.active {
		h.active = session
		h.tellLocked(func(w *watching) { w.prompts = true })
	}
}

func (h *hub) desktops() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if w.peer.Desktop {
			n++
		}
	}
	return n
}

// here tells whether w is to ask about a prompt: the desktop programs of the
// program's user are, else the one in the active session, else all.
func (h *hub) here(w *watching, uid int) bool {
	if !w.peer.Desktop {
		return false
	}
	owner, active := false, false
	for o := range h.watchers {
		owner = owner || o.peer.Desktop && uid >= 0 && o.peer.UID == uid
		active = active || o.peer.Desktop && h.active != "" && o.peer.Session == h.active
	}
	switch {
	case owner:
		return w.peer.UID == uid
	case active:
		return w.peer.Session == h.active
	}
	return true
}
