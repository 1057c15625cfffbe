/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets: where they go, and which socket sent them. */
#pragma once

#include "identity.h"

#define MAPPED bpf_htonl(0xffff)
#define LOOPBACK_DEVICE 1 /* in every network namespace */

struct headers {
	struct tuple tuple;
	struct remote remote;
	struct local local;
	__u16 offset; /* of the transport header */
};

/* Where one processor reads what arrives, one packet after the other. */
struct arrival {
	struct headers h;
	struct remote r;
	struct local l;
	struct flow flow;
};
MAP(arrivals, PERCPU_ARRAY, __u32, struct arrival, 1, 0);

static __always_inline struct arrival *arrival(void)
{
	__u32 zero = 0;
	struct arrival *at = bpf_map_lookup_elem(&arrivals, &zero);
	if (at)
		__builtin_memset(at, 0, sizeof *at);
	return at;
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

/* skip_extension passes one IPv6 extension header; false at the last, and in a
 * later fragment, where what follows is the middle of something. */
static __always_inline bool skip_extension(struct __sk_buff *skb, __u8 *next, __u32 *offset, bool *later)
{
	__u8 b[4] = {};
	__u8 n = *next;
	if (n != 0 && n != 43 && n != 44 && n != 51 && n != 60)
		return false;
	if (bpf_skb_load_bytes(skb, *offset, b, 4))
		return false;
	*next = b[0];
	*offset += n == 44 ? 8 : n == 51 ? (b[1] + 2) * 4 : (b[1] + 1) * 8;
	*later = n == 44 && (b[2] || b[3] & 0xf8);
	return !*later;
}

/* read_headers reads a packet that begins with its IP header. */
static __always_inline int read_headers(struct __sk_buff *skb, struct headers *h)
{
	__u32 b[10] = {};
	__u8 *bytes = (void *)b;
	__u32 offset;
	bool later = false;

	if (bpf_skb_load_bytes(skb, 0, b, 20))
		return -1;
	h->tuple.version = bytes[0] >> 4;
	if (h->tuple.version == 4) {
		h->tuple.protocol = h->remote.protocol = bytes[9];
		h->tuple.id = b[1] & 0xffff;
		h->tuple.source[2] = h->tuple.target[2] = MAPPED;
		h->tuple.source[3] = b[3];
		h->tuple.target[3] = b[4];
		offset = (bytes[0] & 15) * 4;
		later = (bytes[6] & 0x1f) || bytes[7];
		bpf_skb_load_bytes(skb, offset, &h->tuple.transport, 4);
	} else {
		if (bpf_skb_load_bytes(skb, 0, b, 40))
			return -1;
		h->tuple.protocol = h->remote.protocol = bytes[6];
		h->tuple.id = b[0] >> 16;
		__builtin_memcpy(h->tuple.source, b + 2, 16);
		__builtin_memcpy(h->tuple.target, b + 6, 16);
		offset = 40;
		bpf_skb_load_bytes(skb, offset, &h->tuple.transport, 4);
#pragma unroll
		for (int i = 0; i < 6; i++)
			if (!skip_extension(skb, &h->remote.protocol, &offset, &later))
				break;
	}
	__builtin_memcpy(h->local.address, h->tuple.source, 16);
	__builtin_memcpy(h->remote.address, h->tuple.target, 16);
	if (h->remote.protocol == IPPROTO_ICMPV6)
		h->remote.protocol = IPPROTO_ICMP;
	h->offset = offset;
	if (!later && has_ports(h->remote.protocol)) {
		__u8 p[4] = {};
		bpf_skb_load_bytes(skb, offset, p, 4);
		h->local.port = p[0] << 8 | p[1];
		h->remote.port = p[2] << 8 | p[3];
	} else if (!later && h->remote.protocol == IPPROTO_ICMP) {
		__u8 type = 0;
		if (!bpf_skb_load_bytes(skb, offset, &type, 1))
			h->remote.port = type + 1; /* what is decided of one is not of another */
	}
	return 0;
}

/* kernel_address forgets what the verifier knows of a pointer, so that it can
 * be read from as a kernel address. */
static __always_inline __u64 kernel_address(void *pointer)
{
	void *spilled = pointer;
	__u64 address = 0;
	bpf_probe_read_kernel(&address, sizeof address, &spilled);
	return address;
}

/* sender is the socket that a packet leaves from; 0 if there is none. */
static __always_inline struct sock *sender(struct __sk_buff *skb)
{
	struct sk_buff *buffer = (void *)kernel_address(skb);
	return BPF_CORE_READ(buffer, sk);
}

/* A kernel socket does not keep its network namespace alive. */
static __always_inline bool of_kernel(struct sock *sk)
{
	return !BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_net_refcnt);
}

static __always_inline __u64 subflow_cookie(struct sock *sk)
{
	struct mptcp_subflow_context *subflow = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_data);
	if (!subflow)
		return 0;
	return BPF_CORE_READ(subflow, conn, __sk_common.skc_cookie.counter);
}

/* read_sent is read_headers for a packet that leaves. Where loopback is exempt
 * nothing that stays here comes this far. */
static __always_inline void read_sent(struct __sk_buff *skb, struct config *c, struct headers *h)
{
	read_headers(skb, h);
	if (c->flags & LOOPBACK)
		return;
	struct sk_buff *buffer = (void *)kernel_address(skb);
	struct dst_entry *route = (void *)(BPF_CORE_READ(buffer, _skb_refdst) & ~1UL);
	h->remote.stays = route && BPF_CORE_READ(route, dev, ifindex) == LOOPBACK_DEVICE;
}

/* listener is the socket that a packet answers for a connection from outside;
 * 0 if it does not. */
static __always_inline struct sock *listener(struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_NEW_SYN_RECV)
		return BPF_CORE_READ(sk, __sk_common.skc_listener);
	return state == TCP_LISTEN ? sk : 0;
}

static __always_inline bool datagrams(__u8 protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

/* many_hear tells whether what is sent there is for more than one. */
static __always_inline bool many_hear(const struct remote *r)
{
	if (!r->address[0] && !r->address[1] && r->address[2] == MAPPED)
		return bpf_ntohl(r->address[3]) >> 28 == 14 || r->address[3] == 0xffffffff;
	return bpf_ntohl(r->address[0]) >> 24 == 255;
}

/* answers tells whether a segment of TCP answers one from outside. */
static __always_inline bool answers(struct __sk_buff *skb, struct headers *h)
{
	__u8 flags = 0;
	bpf_skb_load_bytes(skb, h->offset + 13, &flags, 1);
	return flags & 0x10; /* ACK */
}

/* application_cookie is the cookie of the MPTCP socket that the application
 * holds if sk is one of its subflows, else 0. */
static __always_inline __u64 application_cookie(struct sock *sk)
{
	if (!bpf_core_field_exists(((struct tcp_sock *)0)->is_mptcp))
		return 0;
	if (!BPF_CORE_READ((struct tcp_sock *)sk, is_mptcp))
		return 0;
	return subflow_cookie(sk);
}

/* connecting_cookie is application_cookie for a socket that the verifier
 * knows, which is the cheaper way. */
static __always_inline __u64 connecting_cookie(struct bpf_sock *sk)
{
	if (!bpf_core_field_exists(((struct tcp_sock *)0)->is_mptcp) || !sk)
		return 0;
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	return tcp && tcp->is_mptcp ? subflow_cookie((void *)kernel_address(sk)) : 0;
}

/* member tells whether a packet of a socket that no hook has seen is ours: the
 * socket was made in the cgroup, or the process that sends is in it. */
static __always_inline bool member(struct config *c, struct sock *sk, __u8 protocol)
{
	if (c->flags & WHOLE)
		return true;
	if (in_subtree(c, BPF_CORE_READ(sk, sk_cgrp_data.cgroup)))
		return true;
	/* TCP also sends from timers, in the name of whoever runs just then. */
	if (protocol == IPPROTO_TCP && !BPF_CORE_READ(sk, sk_lock.owned))
		return false;
	struct task_struct *task = (void *)bpf_get_current_task();
	return in_subtree(c, BPF_CORE_READ(task, cgroups, dfl_cgrp));
}
