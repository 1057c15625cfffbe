package netfilter

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel -type program -type remote -cflags "-O2 -g -Wall -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu" kernel bpf/netfilter.bpf.c
