/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets on their way. */
#pragma once

#include "hands.h"

/* answered describes the flow from outside that a packet answers. */
static __always_inline void answered(struct headers *h, struct remote *r, struct local *l)
{
	*r = h->remote;
	*l = h->local;
	r->port = h->local.port;
	r->stays = INWARD;
	l->port = h->remote.port; /* the log has the other one from r */
}

/* serve decides what a listener answers a connection from outside. */
static __noinline int serve(struct __sk_buff *skb, struct config *c, struct sock *sk)
{
	struct owner *o = 0;
	struct headers h = {};
	struct local l = {};
	__u64 cookie = 0;

	read_sent(skb, c, &h);
	if (c->flags & INBOUND || h.remote.stays || h.remote.protocol != IPPROTO_TCP)
		return 0;
	if (of_kernel(sk)) {
		if (!(c->flags & WHOLE))
			return 0;
		o = kernel_owner();
	} else {
		if (!(c->flags & WHOLE) && !in_subtree(c, BPF_CORE_READ(sk, sk_cgrp_data.cgroup)))
			return 0;
		cookie = application_cookie(sk);
		if (!cookie)
			cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
		o = bpf_map_lookup_elem(&owners, &cookie);
	}
	struct answer a = {};
	struct flow f = { .cookie = cookie };
	answered(&h, &f.remote, &l);
	f.origin = l.port;
	if (o && inward(c, o, &f.remote, &f, &a) == ALLOW) {
		note(o, &f.remote, &l, a.decision, ALLOW);
		return 0;
	}
	if (o && cookie)
		o->flags |= HELD;
	cookie |= SERVER;
	bpf_map_update_elem(&tuples, &h.tuple, &cookie, BPF_ANY);
	return 1;
}

static __noinline int settle(struct __sk_buff *skb, struct config *c, __u64 cookie, struct owner *o)
{
	struct headers h = {};
	struct answer a = {};

	read_sent(skb, c, &h);
	struct sock *sk = cookie ? sender(skb) : 0;
	if (!o && sk && h.remote.protocol == IPPROTO_TCP) {
		__u64 parent = application_cookie(sk);
		if (parent) {
			cookie = parent;
			o = bpf_map_lookup_elem(&owners, &cookie);
		}
	}
	/* Of a socket that connects, both ends opened the connection. */
	if (!o && !(c->flags & LOCK) && h.remote.protocol == IPPROTO_TCP && answers(skb, &h))
		return 0;
	if (!o && (!sk || of_kernel(sk))) {
		if (!(c->flags & WHOLE))
			return 0;
		cookie = 0;
		o = kernel_owner();
	}
	if (!o && !member(c, sk, h.remote.protocol))
		return 0;
	if (o && !shut(c)) {
		if (!(c->flags & LOCK) && was_asked(c, o, cookie, &h.remote))
			return 0;
		if (look_up(c, o, &h.remote, cookie, &a) == ALLOW) {
			if (!(o->flags & LOGGED) || o->decision != a.decision || !same_remote(&o->remote, &h.remote))
				note(o, &h.remote, &h.local, a.decision, ALLOW);
			o->epoch = a.epoch;
			o->decision = a.decision;
			o->verdict = ALLOW;
			o->scope = a.scope;
			o->remote = h.remote;
			o->flags |= LOGGED;
			return 0;
		}
		o->flags = (o->flags | HELD) & ~HANDED; /* the question says it */
	}
	bpf_map_update_elem(&tuples, &h.tuple, &cookie, BPF_ANY);
	return 1;
}

/* sent logs the first packet of a socket whose program is allowed. Where it
 * goes is known since it connected; its local address is read only if this is
 * the line's first. */
static __noinline int sent(struct __sk_buff *skb, struct owner *o)
{
	struct seen_key key = { .program = o->program, .remote = o->remote, .decision = o->decision, .verdict = ALLOW, .parent = o->parent };
	if (!counted(&key, odd_tick())) {
		struct headers h = {};
		read_headers(skb, &h);
		note(o, &o->remote, &h.local, o->decision, ALLOW);
	}
	o->flags |= LOGGED;
	return 0;
}

/* undecided, for xt_bpf, matches the packets that may not pass as they are. */
SEC("socket")
int undecided(struct __sk_buff *skb)
{
	struct config *c = configuration();
	if (!c)
		return 1;
	if (off(c))
		return 0;
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct owner *o = cookie ? bpf_map_lookup_elem(&owners, &cookie) : 0;
	if (o && o->epoch == c->epoch && o->verdict == ALLOW && o->scope == BY_PROGRAM && !shut(c)) {
		if (o->flags & LOGGED)
			return 0;
		if (o->remote.protocol == IPPROTO_TCP || (o->remote.protocol == IPPROTO_UDP && !(o->flags & MANY))) {
			sent(skb, o);
			return 0;
		}
	}
	if (o) {
		hands(skb, c, o, cookie, false);
	} else if (cookie && !shut(c)) {
		struct sock *server = listener(sender(skb));
		if (server)
			return serve(skb, c, server);
	}
	return settle(skb, c, cookie, o);
}

/* blocked, for xt_bpf, matches those undecided packets that the kernel may
 * drop without asking the engine again. */
SEC("socket")
int blocked(struct __sk_buff *skb)
{
	struct config *c = configuration();
	struct headers h = {};
	struct answer a = {};

	if (!c)
		return 0;
	read_sent(skb, c, &h);
	__u64 *cookie = bpf_map_lookup_elem(&tuples, &h.tuple);
	if (!cookie) {
		crowded();
		return 0;
	}
	bool server = *cookie & SERVER;
	__u64 ck = *cookie & ~SERVER;
	struct owner *o = bpf_map_lookup_elem(&owners, &ck);
	if (!o) {
		if (ck) {
			crowded();
			return 0; /* the engine finds out whose it is */
		}
		o = kernel_owner();
		if (!o)
			return 0;
	}
	if (shut(c)) {
		note(o, &h.remote, &h.local, DECIDED_BY_LOCK, BLOCK);
		return 1;
	}
	struct local l = h.local;
	struct flow f = { .cookie = ck, .remote = h.remote };
	if (server) {
		answered(&h, &f.remote, &l);
		f.origin = l.port;
	}
	if ((server ? inward(c, o, &f.remote, &f, &a) : look_up(c, o, &f.remote, ck, &a)) != BLOCK) {
		if (!hurrying(&o->program))
			return 0;
		a.decision = OVERFLOWN;
	}
	note(o, &f.remote, &l, a.decision, BLOCK);
	return 1;
}

/* heeded tells whether the engine is to see what is said with a DNS server. */
static __always_inline bool heeded(struct address *server)
{
	if (bpf_map_lookup_elem(&resolvers, server))
		return true;
	__u32 zero = 0;
	struct hurry *h = bpf_map_lookup_elem(&strangers, &zero);
	if (!h)
		return false;
	__u64 second = bpf_ktime_get_boot_ns() / 1000000000;
	if (h->second != second) {
		h->second = second;
		h->count = 0;
	}
	return __sync_fetch_and_add(&h->count, 1) < STRANGERS_PER_SECOND;
}

/* copy copies a packet of up to size bytes into the ring of events; false if
 * there is no room. socket is the one that an answer is for, or 0. */
static __always_inline bool copy(struct __sk_buff *skb, __u32 length, __u32 size, __u64 socket, __u64 flags)
{
	struct dns_event *e = bpf_ringbuf_reserve(&events, sizeof *e + size, 0);
	if (!e)
		return false;
	/* The verifier must see at each step that it is from 1 to size. */
	__u32 last = length - 1;
	asm volatile("" : "+r"(last));
	last &= 2047;
	e->event.kind = skb->ifindex == LOOPBACK_DEVICE ? EVENT_LOCAL_DNS : EVENT_DNS;
	e->event.cookie = socket;
	e->event.length = 0;
	if (last < size && !bpf_skb_load_bytes(skb, 0, e->packet, last + 1))
		e->event.length = last + 1;
	if (socket) {
		/* Counted after its place is taken and before its program can read it. */
		__u32 i = REPLIES_TOLD;
		__u64 *told = bpf_map_lookup_elem(&naming, &i);
		if (told)
			__sync_fetch_and_add(told, 1);
	}
	bpf_ringbuf_submit(e, flags);
	return true;
}

/* copy_dns tells the engine about a DNS message. The engine looks by itself
 * before it needs a name, and regularly. */
static __always_inline void copy_dns(struct __sk_buff *skb, struct config *c, __u64 socket)
{
	bool now = socket && c->flags & BY_NAME;
	now = now || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > 1 << 19;
	__u64 flags = now ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	bool copied = skb->len <= DNS_SHORT ? copy(skb, skb->len, DNS_SHORT, socket, flags) :
		      copy(skb, skb->len < DNS_BYTES ? skb->len : DNS_BYTES, DNS_BYTES, socket, flags);
	if (!copied)
		count(COUNT_LOST);
}

static __always_inline bool here(struct config *c, struct __sk_buff *skb)
{
	struct sock *sk = (void *)kernel_address(skb->sk);
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie) == c->netns;
}

/* endpoint is the address of a packet's sender, or its receiver; false if it
 * is not where it almost always is. */
static __always_inline bool endpoint(struct __sk_buff *skb, bool sender, struct address *a)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (data + 20 > end)
		return false;
	if (data[0] >> 4 == 4) {
		a->words[2] = MAPPED;
		__builtin_memcpy(&a->words[3], data + (sender ? 12 : 16), 4);
		return true;
	}
	if (data + 40 > end)
		return false;
	__builtin_memcpy(a->words, data + (sender ? 8 : 24), 16);
	return true;
}

/* tell_dns tells the engine what a socket of this network namespace says with
 * a DNS server. Only of such are owners known. */
static __always_inline void tell_dns(struct __sk_buff *skb, struct config *c, bool reply)
{
	struct address server = {};
	if (!endpoint(skb, reply, &server))
		return;
	__u64 cookie = bpf_get_socket_cookie(skb);
	if ((bpf_map_lookup_elem(&owners, &cookie) || here(c, skb)) && heeded(&server))
		copy_dns(skb, c, reply ? cookie : 0);
}

/* What is needed of most packets. */
struct brief {
	__u16 source, target;
	__u8 protocol, flags; /* of TCP */
	bool more;            /* than headers */
};

static __always_inline bool extends(__u8 next)
{
	return next == 0 || next == 43 || next == 44 || next == 51 || next == 60;
}

/* extended is transport for a packet with extension headers. */
static __noinline bool extended(struct __sk_buff *skb, struct brief *b)
{
	struct headers h = {};
	__u8 p[14] = {};
	if (read_headers(skb, &h))
		return false;
	b->protocol = h.remote.protocol;
	b->source = h.local.port;
	b->target = h.remote.port;
	bpf_skb_load_bytes(skb, h.offset, p, sizeof p);
	b->flags = p[13];
	b->more = skb->len > h.offset + (p[12] >> 4) * 4;
	return true;
}

/* transport reads what is needed of a packet at little cost, if it is where it
 * almost always is, and else at some. */
static __always_inline bool transport(struct __sk_buff *skb, struct brief *b)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 offset = 40;
	if (data + 20 > end)
		return false;
	bool four = data[0] >> 4 == 4;
	b->protocol = four ? data[9] : data[6];
	if (four)
		offset = (data[0] & 15) * 4;
	if (!four && extends(b->protocol))
		return extended(skb, b);
	__u8 *p = data + offset;
	if (p + 4 > end)
		return false;
	b->source = p[0] << 8 | p[1];
	b->target = p[2] << 8 | p[3];
	if (b->protocol == IPPROTO_TCP && p + 14 <= end) {
		b->flags = p[13];
		b->more = skb->len > offset + (p[12] >> 4) * 4;
	}
	return true;
}

/* forged tells whether a raw socket made up a segment of TCP that its program
 * may not send. */
static __noinline bool forged(struct config *c, struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->type != SOCK_RAW || !here(c, skb))
		return false;
	struct headers h = {};
	if (read_headers(skb, &h) || h.remote.protocol != IPPROTO_TCP)
		return false;
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct owner *o = bpf_map_lookup_elem(&owners, &cookie);
	if (!o) {
		count(COUNT_UNLOGGED);
		return true;
	}
	struct answer a = {};
	__u32 verdict = of_program(c, &o->program, &a);
	if (verdict ? verdict == ALLOW : o->epoch == c->epoch && o->verdict == ALLOW)
		return false;
	note(o, &h.remote, &h.local, verdict ? a.decision : FORGED, BLOCK);
	return true;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	struct config *c = configuration();
	struct brief b = {};

	if (!c || off(c))
		return 1;
	if (!transport(skb, &b))
		return 1;
	changed_hands(skb, c);
	/* The table never looks at established TCP; what a raw socket makes up to
	 * look like it passes only if its program is allowed. */
	if (b.protocol != IPPROTO_UDP && skb->ifindex != LOOPBACK_DEVICE && forged(c, skb))
		return 0;
	if (b.target == 53 && (b.protocol == IPPROTO_UDP || b.protocol == IPPROTO_TCP))
		tell_dns(skb, c, false);
	return 1;
}
