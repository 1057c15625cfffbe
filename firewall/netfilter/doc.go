// Package netfilter is the Linux backend: cgroup eBPF programs attribute and
// decide connections in the kernel, and a netfilter queue holds the first
// packet of each undecided one.
package netfilter
