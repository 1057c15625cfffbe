// Package windiverttest is a computer on a network of its own for tests of what
// WinDivert filters: a program for Windows runs in Wine in a network namespace,
// and each packet that it sends to the server in another waits in a netfilter
// queue until the driver's stand-in (../testdata/standin) lets it go. Network is
// the half on Linux, Carry the one in Wine; a [Message] goes between.
//
// The stand-in sees no sockets: whoever runs the programs says in a message
// which process connects from where to where.
package windiverttest
