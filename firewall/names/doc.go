// Package names remembers which host name was asked for to get an address.
//
// A backend copies DNS packets, questions and answers, into [Table.See]. An
// answer counts only if it comes from a configured resolver (see [Resolvers])
// and matches a question seen before: same addresses and ports, same id, same
// name and type. The name that is remembered is the one that the program
// asked for, not the one at the end of a chain of aliases.
//
// What it cannot see: encrypted DNS, the hosts file, addresses that a program
// carries in itself, and answers over TCP that do not fit one packet. An
// address shared by several hosts has the name asked for last.
//
// The caller must pass only packets of its own network namespace: inside a
// namespace of one's own, anybody can play the resolver.
package names
