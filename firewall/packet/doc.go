// Package packet reads the headers of IP packets: bytes become a
// [firewall.Flow].
//
// It takes what a kernel queue hands over: a whole packet or its first bytes,
// beginning with the IP header. It reads IPv4 with options, IPv6 with
// extension headers, fragments, and the headers of TCP, UDP, UDP-Lite, SCTP,
// DCCP, ICMP and ICMPv6; of any other protocol it tells the number and the
// addresses. What makes no sense is an error, never a guess: the caller
// blocks it. Nothing is allocated.
package packet
