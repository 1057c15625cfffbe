// Package vmtest boots a small guest with its own kernel and runs the whole
// system in it: the engine as a systemd service that filters every connection
// of a computer. No such rule is ever put on the machine that runs the tests.
//
// The guest is Debian's, made by mmdebstrap from the package sources that this
// machine already uses, and runs in qemu's software emulation, so that it needs
// no virtualisation. Commands reach it over a virtio serial port: no firewall
// rule under test can cut them off. It has no network but one namespace inside
// it, "outside", joined by a veth pair (guest/outside).
//
// Integer code is about a third slower there, a loopback connect fifteen
// times: what is tested is what happens, not how fast.
package vmtest
