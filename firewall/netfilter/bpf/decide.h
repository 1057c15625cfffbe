/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is decided of a program's flows. The engine decides; this looks up. */
#pragma once

#include "packet.h"

static __always_inline struct verdict *current_verdict(struct config *c, struct verdict *v)
{
	return v && v->epoch == c->epoch ? v : 0;
}

/* look_up fills scope only if it finds a verdict. */
static __always_inline struct verdict *look_up(struct config *c, struct program *p, struct remote *r,
					       __u64 cookie, __u8 *scope)
{
	struct verdict *v = current_verdict(c, bpf_map_lookup_elem(&programs, p));
	if (v) {
		*scope = BY_PROGRAM;
		return v;
	}
	struct destination d = { .program = *p, .remote = *r };
	v = current_verdict(c, bpf_map_lookup_elem(&destinations, &d));
	if (v) {
		*scope = BY_DESTINATION;
		return v;
	}
	struct flow f = { .cookie = cookie, .remote = *r };
	*scope = BY_FLOW;
	return current_verdict(c, bpf_map_lookup_elem(&flows, &f));
}

/* counted adds one to a line of the activity log that is there already. */
static __always_inline bool counted(struct seen_key *key, bool odd)
{
	struct seen *s = odd ? bpf_map_lookup_elem(&seen_odd, key) : bpf_map_lookup_elem(&seen_even, key);
	if (s)
		__sync_fetch_and_add(&s->count, 1);
	return s;
}

static __always_inline bool odd_tick(void)
{
	__u32 zero = 0, *tick = bpf_map_lookup_elem(&ticks, &zero);
	return tick && *tick & 1;
}

/* note counts a decided flow for the activity log. */
static __always_inline void note(struct owner *o, struct remote *r, __u32 *local, __u32 local_port,
				 __u32 decision, __u32 verdict)
{
	struct seen_key key = { .program = o->program, .remote = *r, .decision = decision, .verdict = verdict };
	bool odd = odd_tick();
	if (counted(&key, odd))
		return;
	struct seen first = {
		.first = bpf_ktime_get_boot_ns(), .count = 1, .started = o->started,
		.pid = o->pid, .uid = o->uid, .local_port = local_port,
	};
	if (local)
		__builtin_memcpy(first.local, local, 16);
	long err = odd ? bpf_map_update_elem(&seen_odd, &key, &first, BPF_NOEXIST)
		       : bpf_map_update_elem(&seen_even, &key, &first, BPF_NOEXIST);
	/* Another processor was first, or the map is full. */
	if (err && !counted(&key, odd))
		count(COUNT_UNLOGGED);
}

static __always_inline bool loopback(struct remote *r)
{
	if (!r->address[0] && !r->address[1] && r->address[2] == MAPPED)
		return (bpf_ntohl(r->address[3]) >> 24) == 127 || !r->address[3];
	return !r->address[0] && !r->address[1] && !r->address[2] && (r->address[3] == bpf_htonl(1) || !r->address[3]);
}

/* was_asked tells whether the remote sent to this socket first. */
static __always_inline bool was_asked(struct config *c, __u64 cookie, struct remote *r)
{
	struct flow f = { .cookie = cookie, .remote = *r };
	return (c->flags & INBOUND) && r->protocol == IPPROTO_UDP && bpf_map_lookup_elem(&heard, &f);
}
