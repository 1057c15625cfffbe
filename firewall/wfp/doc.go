// Package wfp keeps Windows closed while no engine runs, by rules of our own in
// the Windows Filtering Platform.
//
// WinDivert lets everything through when the process that holds it dies. Under
// the setting "fail closed" the engine therefore keeps persistent rules: they
// block every connection that a program opens, and permit what [Plan] lists.
// While an engine runs, a permit of the greatest weight stands above them; it
// belongs to the engine's session, and so ends with its process, however that
// ends. Connections that others open to this computer are not judged.
//
// # What we add to the system
//
//   - the provider {5a11f0b7-7d0c-4c0e-9c53-2f6f1d8e4a01}, "Sallyport"
//   - the sublayer {5a11f0b7-7d0c-4c0e-9c53-2f6f1d8e4a02}, of the greatest weight
//   - filters of that provider at ALE_AUTH_CONNECT_V4 and ALE_AUTH_CONNECT_V6
//
// "sallyport recover" removes all of it. By hand, "netsh wfp show filters"
// lists the filters; there is no command of Windows that deletes them.
//
// # What is permitted without an engine
//
// Loopback, DHCP between the client's and the server's port, IPv6 neighbour
// discovery, the configured resolvers on port 53, and each program that its
// rules allow whatever the destination. A program that is allowed some
// destinations only, to some hosts or for some time, is blocked: no rule here
// can say that and end by itself. A permit of ours only does not block: the
// Windows firewall's own rules count as before.
//
// # What is not shown
//
// None of this was run on real Windows yet. Wine's filtering platform keeps no
// rules. Between the start of the network drivers and that of the service BFE
// persistent rules are not in force.
package wfp
