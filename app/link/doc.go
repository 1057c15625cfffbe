// Package link carries [ui.Control] between processes of one computer: HTTP
// with JSON over a Unix socket, on Windows over a named pipe. The engine's
// process serves it, the desktop program and the commands use it.
//
// Who may do what is decided here, by one policy for every system, see
// [Access]; the files of each system only find out who a [Peer] is. Sizes are
// bounded, decoding is strict, every wait has an end. On Linux every message
// must have been sent by the very process that opened the connection: the
// kernel's credentials come with each message and are compared. On Windows the
// peer's token is the one that it had when it opened the pipe.
package link
