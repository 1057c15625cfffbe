// Package netfilter is the Linux backend: cgroup eBPF programs attribute and
// decide connections in the kernel, and a netfilter queue holds the first
// packet of each undecided one. It needs Linux 6.1 or newer.
//
// # What it does to your system
//
// While it runs there are, and after a clean stop there are not:
//
//   - eBPF programs on one cgroup, the root of the cgroup v2 tree or the one
//     that was named: connect4/6 and sendmsg4/6 say which program opens a flow
//     and refuse (EPERM) what is known to be blocked; sock_create and
//     sock_release follow sockets; ingress and egress copy DNS; ingress lets in
//     datagrams from outside, or not. None of them changes a packet. They run also for sockets of other network namespaces,
//     which they let pass and count.
//   - an eBPF program on the execution of programs, on the whole system, which
//     notes the command lines of interpreters in the filtered cgroup.
//   - pins of these programs, and of their maps, below
//     /sys/fs/bpf/sallyport, a folder of mode 0700, so that decisions outlive a
//     killed engine. The BPF file system is mounted where it is missing.
//   - the nft table "inet sallyport" ("inet sallyport_ID" for a cgroup): the
//     segments of TCP that open a connection and everything that is not TCP,
//     unless its socket is decided, go to a queue from 27100 on. Established
//     TCP is never looked at, unless all traffic is locked.
//   - a lock in /run/sallyport.
//
// # To undo it by hand
//
//	nft delete table inet sallyport
//	rm -r /sys/fs/bpf/sallyport
//
// The kernel detaches a program with its last pin and descriptor. "sallyport
// recover" does the same, and no reboot keeps any of it.
//
// # How a flow is decided
//
// A hook in connect or sendmsg notes the executable (device, inode,
// generation, change time, and the kernel's own entries of its path) by the
// socket's cookie. A packet passes if its socket, its program, its program's
// destination or the very flow has an allowing verdict of the present epoch
// that has not ended. A verdict may be of one process only, and one that
// depends on a host name counts only while the engine has read every DNS reply
// that the kernel copied. [Backend.Apply] begins a new epoch: what the kernel
// remembers is judged again, and then everything of before is forgotten at
// once. Everything else is queued, and the engine decides it: the kernel only
// remembers.
//
// A connection from outside is decided when its listener answers it: the answer
// is looked at like a first packet that leaves, of the program that listens, and
// waits in the same queue, so that the caller is connected the moment it is
// allowed. Blocked, the listener forgets it, and the caller hears nothing. A
// datagram for a socket that is connected to nobody is let in if it answers what
// the socket sent, if it is an answer of DHCP, or if its program may serve. One
// that nothing decides is not kept: the engine is told of it, and who sent it
// sends it again. What a socket sends to whom it let in is an answer. The same
// cache has the verdicts of both directions. Who has the socket of a server that
// was handed on is the program that was started last of those that hold it when
// it is called first.
//
// What depends on a remote's zone is cached by program and zone: the zones are in
// a map of prefixes, as [firewall.Zones] has them. While addresses are blocked
// that is so of every decision, and none is known before a program runs.
//
// Programs that rules name are made known before they run: by their path and
// file (device, inode, generation, change time), so that their first attempt is
// decided in the kernel, in every mount namespace, also when the kernel has
// dropped the file from its caches, and also after a crash. What an executable
// is, [firewall.Identify] tells: it may be another file than the one that rules
// for its path were made for. Such a file is read once, with a lease on it; who
// wants to write to it waits until the reader has let go. A program of which the
// file system does not answer is unidentified until it does, and nothing else
// waits for it.
//
// A program of a snap, of a Flatpak app of the system's installation, or of a
// Nix package that root has installed is known by the package, whose path
// changes with every update. What a process in its own mount namespace has
// mounted is a hint only: the file is proven by device, inode and change time
// where root alone can have put it. A Flatpak app of a user's own installation is
// a program at its path in the active version, which is the same while its content
// is. What runs from an AppImage is the AppImage: the file that runs in the process
// that serves the mount, which the kernel tells since it has fuse_connection in
// /proc/PID/fdinfo; before that it stays a foreign program.
//
// A program in a mount namespace of its own is named by its container, if the
// path of its cgroup names one and root alone can have made that cgroup
// (docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, lxc.payload.NAME,
// machine-NAME.scope): [firewall.ContainerPath]. Its content is proven through a
// process of the container. Any other stays foreign. Of a container's own network
// namespace nothing passes our hooks but is let through and counted.
//
// Of an interpreter, each execution is a program of its own: what one runs says
// nothing of the next. Its arguments are noted when it is executed, and the
// engine finds the script in them at its first connection. The processes that it
// forks are the same program. The script is proven as an executable is, with the
// stamp that it had when the execution began; where others than root can replace
// the interpreter, its file is proven with it. An interpreter that rules name is
// made known before it runs only while no rule names a script.
//
// A connection is its opener's, whoever holds the socket later: after a fork and
// an execution, or passed on. The hook on packets that leave compares the
// executable and the user of who sends with the owner's, and tells once for each
// socket that they differ ([firewall.PassedOn]). Who connects or sends elsewhere
// with a socket that another one used before is judged as itself, and flagged. Of
// MPTCP that is not seen, nor who made a socket that nobody had used.
//
// Under lock the kernel drops everything but loopback by itself. Where rules let
// programs pass the lock, it drops what it does not know to pass, and asks the
// engine about what it does not know; what comes from outside passes if it is
// for a socket of such a program. Mode off that has an end ends in the kernel,
// also when its engine was killed: the rules of before it count again, and what
// they do not decide goes to the queue.
//
// What the kernel decides by itself it counts in one of two maps that the engine
// empties in turn, so that the log is complete. What different processes started
// is counted apart, by the PID of the parent when the flow was opened.
//
// What fails closed: a socket or a verdict that was evicted is judged again; a
// full queue drops; a queue that nobody reads drops (fail-closed, the default)
// or passes (fail-open). What waits in the queue at a clean stop is dropped with
// it; the kernel sends a connection's first segment again, with nothing in its
// way.
//
// # Limits
//
// AF_PACKET sockets bypass netfilter. Who may change what /proc/PID/exe names
// (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, also in a user namespace) can pass
// as another program. A datagram socket that is older than the firewall has sent
// nothing yet as far as is known: what answers it before it sends again is a
// call. Who answers a datagram that was sent to many counts by its port only.
// Datagrams for the kernel's own sockets pass. Protocols other than TCP, UDP and
// UDP-Lite are not asked about when they come from outside. Loopback is neither held nor logged while a
// rule allows all of it and none blocks or asks. Segments of TCP that a raw socket
// makes up, save those that open a connection, pass only if the kernel knows
// that their program is allowed; they are not asked about, but logged.
package netfilter
