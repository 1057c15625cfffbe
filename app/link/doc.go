// Package link carries [ui.Control] over a local socket: HTTP with JSON over a
// Unix socket. The engine's process serves it, the desktop program and the
// commands use it.
//
// Who may do what is decided here, see [Access]. Sizes are bounded, decoding
// is strict, every wait has an end. Every message on a connection must have
// been sent by the very process that opened it: the kernel's credentials come
// with each message and are compared.
package link
