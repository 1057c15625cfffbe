// Package windivert is the Windows backend: WinDivert's driver tells which
// process opens what, and gives the first packet of each flow to this process,
// which sends it on or does not. It needs 64-bit Windows on an Intel or AMD
// processor, and the rights of an administrator.
//
// # What it does to your system
//
// While it runs there are
//
//   - the driver's service "WinDivert", which the first handle starts. It stays
//     until it is stopped or the computer starts again, and does nothing
//     without a handle;
//   - handle S, which watches sockets (SOCKET layer, sniffing): which process
//     connects, accepts and closes;
//   - handle N, which takes packets out of the network stack (NETWORK layer):
//     segments of TCP that open a connection in either direction, what is sent
//     of UDP, ICMP and fragments, and what comes from port 53. Established TCP
//     is never looked at;
//   - while all traffic is locked, handle K, by which the driver drops
//     everything else;
//   - while a connection of IPv6 is being cut, a handle that takes its packets.
//
// Nothing of it is kept on disk, and all handles end with this process, however
// it ends: if it is killed, the driver puts what it holds back on its way, and
// from then on everything passes.
//
// Under "fail closed" there are besides, in the Windows Filtering Platform,
// rules that outlive this process, and above them a permit that does not: see
// package wfp. The permit and then the rules are in force before Run is ready;
// the rules follow each [Backend.Apply] and the configured resolvers within a
// moment, and no packet waits for that. They stay when this process is killed,
// when the driver is lost, and after [firewall.ErrHandOver], with which the
// service also ends when the computer is shut down. When Run's context ends
// otherwise, and under "fail open", they are removed. While the platform
// refuses them, flows are decided all the same, the notes of [Backend.Stats] say
// that fail closed is not in force, and it is tried again every 30 seconds.
//
// # To undo it by hand
//
//	sc stop WinDivert
//	sc delete WinDivert
//
// as an administrator, after the engine has ended. Rules of the filtering
// platform are removed by "sallyport recover" only.
//
// # How a flow is decided
//
// An event says which process opens a flow, and a packet is the flow's first:
// they come by two handles, in no order, and are joined by protocol, addresses
// and ports by whichever comes last. The system is asked which program the
// process is, away from the path of packets; a process that started after the
// event is another one with the same number. A packet whose event does not
// come within 100 ms is looked up in the system's tables of connections. If
// these do not tell either, it belongs to an unidentified program, which can be
// answered once only.
//
// Which program the file at a path is, [firewall.Identify] says, away from the
// path of packets too: a flow waits 200 ms for that and for who signed the file
// (3 s where rules name signers), then it is asked about as what is known, and
// the engine is told what turns out. A flow of a program of which more may have
// become known is identified again when rules change.
//
// A segment of TCP that opens a connection is its flow's as long as its
// sequence number is the same: another one, from the same port, waits for an
// event of its own.
//
// What rules or mode decide is remembered for the flow and, as widely as it
// holds, for the program or its destination; [Backend.Apply] forgets it all.
// What nobody decided is held: the newest segment of a TCP flow, the first four
// datagrams of any other. One goroutine joins, decides and sends, so that
// packets leave in the order in which they were decided; it waits for nobody
// but the driver.
//
// What is blocked is dropped, and answered so that the program sees an error at
// once: a reset for each segment that opens a connection, "port unreachable"
// for each datagram. A later fragment has no ports: it shares the fate of the
// first one, and is dropped if that does not come.
//
// Answers of configured resolvers pass through handle N: the name of an address
// is known before the program that asked for it can connect.
//
// # What fails closed
//
// A full table blocks and counts. A packet that makes no sense is dropped and
// logged. If the driver's own queue is full, or a packet waits in it for 16
// seconds, the driver drops it. If
// the driver is lost while this process runs, [Backend.Run] ends with an error,
// which says what passes from then on.
//
// # How it ends
//
// When Run's context ends, nothing more is captured, and what the driver still
// has is read and judged. Then, before the handles close, what nobody decided is
// sent on unchanged under "fail open", and logged as [firewall.HandedBack].
// Under "fail closed" and after [firewall.ErrHandOver] it is refused, as
// [firewall.Stopping]. What is held in a lock is refused in any case.
//
// # Limits
//
//   - Loopback is not filtered: the driver's events of it are ignored, its
//     packets never taken.
//   - Packets that another driver, or an administrator by a raw socket, puts into
//     the network stack are not looked at or can look like another program's.
//   - Protocols other than TCP, UDP and ICMP are not held, but locked.
//   - ICMP, save echo requests, counts as the kernel's, whoever sends it.
//   - Two programs that ping the same address, or share a port and send to the
//     same remote, are told apart by the newer socket.
//   - Datagrams that answer what another computer sent first to the same socket
//     count as inbound, and datagrams from outside as replies while the flow that
//     they answer is known. Each datagram from outside is looked at.
//   - A call to a port that nobody has is not asked about: the system answers it.
//   - Names are not known from answers over TCP or in fragments.
package windivert
