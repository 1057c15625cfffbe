/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets that arrive: who may receive them. */
#pragma once

#include "traffic.h"

static __always_inline bool connected(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	sk = sk ? bpf_sk_fullsock(sk) : 0;
	return sk && sk->state == TCP_ESTABLISHED; /* of UDP, too */
}

/* arrive reads a packet that arrived, and describes its flow from outside. */
static __always_inline struct arrival *arrive(struct __sk_buff *skb, __u64 cookie)
{
	struct arrival *at = arrival();
	if (!at || read_headers(skb, &at->h))
		return 0;
	__builtin_memcpy(at->r.address, at->h.local.address, 16);
	at->r.port = at->h.remote.port;
	at->r.protocol = at->h.remote.protocol;
	at->r.stays = INWARD;
	__builtin_memcpy(at->l.address, at->h.remote.address, 16);
	at->l.port = at->h.local.port; /* the log has the other one from r */
	at->flow.cookie = cookie;
	at->flow.remote = at->r;
	at->flow.origin = at->l.port;
	return at;
}

/* opening lets a connection from outside reach its listener, whose answer is
 * then decided; see serve. What it carries (TCP Fast Open) is not let in before. */
static __noinline int opening(struct __sk_buff *skb, struct config *c, bool carries)
{
	/* Gives the listener its number. */
	__u64 cookie = bpf_get_socket_cookie(skb);
	if (!carries || skb->ifindex == LOOPBACK_DEVICE || (c->flags & INBOUND) || !here(c, skb))
		return 1;
	struct answer a = {};
	struct owner *o = bpf_map_lookup_elem(&owners, &cookie);
	struct arrival *at = arrive(skb, cookie);
	return o && at && inward(c, o, &at->r, &at->flow, &a) == ALLOW;
}

/* knock tells the engine about a datagram that nothing decides, which is not let
 * in: who sends it sends it again. While nobody runs an engine, what passes
 * undecided passes. */
static __noinline int knock(struct __sk_buff *skb, struct config *c, struct flow *f, __u32 epoch)
{
	__u32 i = ENGINE_ALIVE, zero = 0;
	__u64 *alive = bpf_map_lookup_elem(&naming, &i), now = bpf_ktime_get_boot_ns();
	if (!alive || now - *alive > PATIENCE)
		return c->flags & FAIL_OPEN ? 1 : 0;
	struct welcome *w = bpf_map_lookup_elem(&heard, f);
	if (w && w->verdict.verdict == UNKNOWN && now < w->verdict.until)
		return 0; /* told */
	struct hurry *h = bpf_map_lookup_elem(&knocks, &zero);
	if (!h)
		return 0;
	__u64 second = now / 1000000000;
	if (h->second != second) {
		h->second = second;
		h->count = 0;
	}
	struct knock_event *e = 0;
	if (__sync_fetch_and_add(&h->count, 1) < KNOCKS_PER_SECOND)
		e = bpf_ringbuf_reserve(&events, sizeof *e, 0);
	if (!e) {
		count(COUNT_LOST);
		return 0;
	}
	e->event.kind = EVENT_KNOCK;
	e->event.cookie = f->cookie;
	e->event.length = 0;
	__u32 last = (skb->len < KNOCK_BYTES ? skb->len : KNOCK_BYTES) - 1;
	asm volatile("" : "+r"(last)); /* the verifier must see that it is from 1 to KNOCK_BYTES */
	last &= KNOCK_BYTES - 1;
	if (!bpf_skb_load_bytes(skb, 0, e->packet, last + 1))
		e->event.length = last + 1;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	struct welcome told = { .verdict = { .epoch = epoch, .until = now + PATIENCE, .verdict = UNKNOWN } };
	bpf_map_update_elem(&heard, f, &told, BPF_ANY);
	return 0;
}

/* receive decides a datagram for a socket that is connected to nobody. */
static __noinline int receive(struct __sk_buff *skb, struct config *c, struct brief *b)
{
	struct address from = {};
	bool stays = skb->ifindex == LOOPBACK_DEVICE;
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct owner *o = bpf_map_lookup_elem(&owners, &cookie);
	if (!o && (!here(c, skb) || of_kernel((void *)kernel_address(skb->sk))))
		return 1;
	/* Almost always it answers what was sent last. */
	if (o && o->remote.port == b->source && o->remote.protocol == b->protocol && endpoint(skb, true, &from) &&
	    from.words[3] == o->remote.address[3] && from.words[2] == o->remote.address[2] &&
	    from.words[1] == o->remote.address[1] && from.words[0] == o->remote.address[0])
		return 1;
	struct arrival *at = arrive(skb, cookie);
	if (!at)
		return 0;
	struct flow f = { .cookie = cookie, .remote = at->r };
	f.remote.port = at->l.port; /* as an answer has it */
	f.remote.stays = stays ? STAYS : 0;
	if (o && solicited(o, &f))
		return 1;
	/* Read first: should the verdict change meanwhile, it is one of before. */
	struct answer a = { .epoch = *(volatile __u32 *)&c->epoch };
	struct welcome *w = bpf_map_lookup_elem(&heard, &f);
	struct verdict *v = w ? counting(c, &w->verdict) : 0;
	if (v && v->verdict == ALLOW)
		return 1;
	if (stays || c->flags & INBOUND) {
		let_in(&f, &a, at->r.port);
		return 1;
	}
	__u32 verdict = UNKNOWN;
	if (v && v->verdict == BLOCK) {
		verdict = BLOCK;
		a.decision = v->decision;
	} else if (o) {
		verdict = inward(c, o, &at->r, &at->flow, &a);
	}
	if (!verdict)
		return knock(skb, c, &f, a.epoch);
	if (o)
		note(o, &at->r, &at->l, a.decision, verdict);
	if (verdict == BLOCK)
		return 0;
	let_in(&f, &a, at->r.port);
	return 1;
}

/* opens tells whether a segment of TCP asks for a connection: of ACK, RST, SYN
 * and FIN, it has SYN alone. */
static __always_inline bool opens(struct brief *b)
{
	return b->protocol == IPPROTO_TCP && (b->flags & 0x17) == 0x02;
}

/* passes_lock tells whether a packet is for a socket whose program may pass the
 * lock to where it comes from. Of a datagram socket that serves all, only who
 * was sent to last may answer. */
static __noinline int passes_lock(struct __sk_buff *skb, struct config *c)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct owner *o = cookie ? bpf_map_lookup_elem(&owners, &cookie) : 0;
	struct arrival *at = o ? arrive(skb, cookie) : 0;
	struct answer a = {};
	if (!at)
		return 0;
	struct remote r = at->r;
	r.port = at->l.port; /* as an answer has it */
	r.stays = 0;
	if (datagrams(r.protocol) && !connected(skb) && !same_remote(&o->remote, &r))
		return 0;
	if (o->epoch == c->epoch && o->verdict == ALLOW && o->scope == BY_PROGRAM)
		return 1;
	return look_up(c, o, &r, cookie, &a) == ALLOW;
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	struct config *c = configuration();
	struct brief b = {};

	if (!c || off(c))
		return 1;
	bool read = transport(skb, &b);
	/* No rule lets others connect through the lock. */
	if ((c->flags & LOCK) && skb->ifindex != LOOPBACK_DEVICE && here(c, skb) &&
	    (shut(c) || !read || opens(&b) || !passes_lock(skb, c)))
		return 0;
	if (!read)
		return 1;
	bool stream = b.protocol == IPPROTO_TCP;
	if (!stream && !datagrams(b.protocol))
		return 1;
	if (b.source == 53)
		tell_dns(skb, c, true);
	if (stream)
		return opens(&b) ? opening(skb, c, b.more) : 1;
	if (skb->ifindex == LOOPBACK_DEVICE && (c->flags & LOOPBACK))
		return 1;
	if (connected(skb))
		return 1; /* from nobody else, and to whom it may send was decided */
	if ((b.source == 67 && b.target == 68) || (b.source == 547 && b.target == 546))
		return 1; /* this computer's address (DHCP) */
	return receive(skb, c, &b);
}
