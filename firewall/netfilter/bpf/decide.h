/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is decided of a program's flows. The engine decides; this looks up. */
#pragma once

#include "packet.h"

/* names_known tells whether the engine has read every DNS reply that a program
 * may have. Who does not live any more cannot read: what it knew holds. */
static __always_inline bool names_known(void)
{
	__u32 i = REPLIES_TOLD, j = REPLIES_READ, k = ENGINE_ALIVE;
	__u64 *told = bpf_map_lookup_elem(&naming, &i);
	__u64 *read = bpf_map_lookup_elem(&naming, &j);
	__u64 *alive = bpf_map_lookup_elem(&naming, &k);
	if (!told || !read || !alive)
		return 0;
	return *(volatile __u64 *)told == *(volatile __u64 *)read || bpf_ktime_get_boot_ns() - *alive > PATIENCE;
}

/* counting returns the verdict if it counts now. */
static __always_inline struct verdict *counting(struct config *c, struct verdict *v)
{
	if (!v || v->epoch - c->epoch > c->ahead || (v->until && bpf_ktime_get_boot_ns() >= v->until))
		return 0;
	return v;
}

static __always_inline __u32 answer(struct answer *a, struct verdict *v, __u32 scope)
{
	a->epoch = v->epoch;
	a->decision = v->decision;
	a->until = v->named ? bpf_ktime_get_boot_ns() + PATIENCE : v->until;
	/* What ends, or depends on a name, is not kept for the socket. */
	a->scope = scope == BY_PROGRAM && v->until ? BY_DESTINATION : scope;
	return v->verdict;
}

/* prepared finds what the engine decided of a program before it ran, by its
 * path and file. */
__noinline __u32 prepared(struct config *c, struct program *p, struct answer *a)
{
	if (!c || !p || !a)
		return UNKNOWN;
	struct program key = *p; /* until 6.3, an argument cannot be a map's key */
	key.file = key.execution = 0;
	struct path_text *t = bpf_map_lookup_elem(&paths, &key);
	if (!t || !t->complete)
		return UNKNOWN;
	struct file_at f = {
		.ctime = p->ctime, .number = p->number, .path = t->hash,
		.device = p->device, .generation = p->generation,
	};
	/* Read first: should the verdict change meanwhile, it is one of before. */
	__u32 epoch = *(volatile __u32 *)&c->epoch;
	struct verdict *v = bpf_map_lookup_elem(&files, &f);
	if (!v)
		return UNKNOWN;
	struct verdict now = { .until = v->until, .epoch = epoch, .decision = v->decision, .verdict = v->verdict };
	key = *p;
	bpf_map_update_elem(&programs, &key, &now, BPF_ANY);
	return counting(c, &now) ? answer(a, &now, BY_PROGRAM) : UNKNOWN;
}

/* zone_of is the zone that an address is in, in a key's form. */
static __always_inline __u8 zone_of(struct remote *r)
{
	struct prefix p = { .length = 128 };
	__builtin_memcpy(p.address, r->address, 16);
	__u32 *zone = bpf_map_lookup_elem(&zones, &p);
	return (zone ? *zone & 15 : INTERNET_ZONE) * ZONE;
}

/* narrower looks for verdicts that are not about the program as a whole. */
__noinline __u32 narrower(struct config *c, struct owner *o, struct remote *r, __u64 cookie, struct answer *a)
{
	if (!c || !o || !r || !a)
		return UNKNOWN;
	union { /* one after the other: the stack is small */
		struct destination d;
		struct flow f;
	} key = { .d = { .program = o->program, .remote = *r } };
	struct verdict *v = counting(c, bpf_map_lookup_elem(&destinations, &key.d));
	if (!v && c->flags & PROCESSES) {
		key.d.process = o->pid;
		key.d.started = o->started;
		v = counting(c, bpf_map_lookup_elem(&destinations, &key.d));
		if (!v) {
			__builtin_memset(&key.d.remote, 0, sizeof key.d.remote);
			v = counting(c, bpf_map_lookup_elem(&destinations, &key.d));
		}
	}
	if (!v && c->flags & ZONED) {
		__builtin_memset(&key.d.remote, 0, sizeof key.d.remote);
		key.d.remote.stays = zone_of(r);
		v = counting(c, bpf_map_lookup_elem(&destinations, &key.d));
		if (!v && key.d.process) {
			key.d.process = 0;
			key.d.started = 0;
			v = counting(c, bpf_map_lookup_elem(&destinations, &key.d));
		}
	}
	if (v)
		return v->named && !names_known() ? UNKNOWN : answer(a, v, BY_DESTINATION);
	__builtin_memset(&key, 0, sizeof key);
	key.f.cookie = cookie;
	key.f.remote = *r;
	v = counting(c, bpf_map_lookup_elem(&flows, &key.f));
	return v ? answer(a, v, BY_FLOW) : UNKNOWN;
}

/* either looks for a verdict about a destination, of the program's or of the
 * process's. */
static __noinline struct verdict *either(struct config *c, struct owner *o, struct destination *d)
{
	d->process = 0;
	d->started = 0;
	struct verdict *v = counting(c, bpf_map_lookup_elem(&destinations, d));
	if (v || !(c->flags & PROCESSES))
		return v;
	d->process = o->pid;
	d->started = o->started;
	return counting(c, bpf_map_lookup_elem(&destinations, d));
}

/* inward is what is decided of a flow that origin opens from outside: of all of
 * the program's, of those that r describes, or of this one. */
static __noinline __u32 inward(struct config *c, struct owner *o, struct remote *r, struct flow *f, struct answer *a)
{
	struct destination d = { .program = o->program, .remote = { .stays = INWARD } };
	struct verdict *v = either(c, o, &d);
	__u32 scope = BY_PROGRAM;
	if (!v) {
		scope = BY_DESTINATION;
		d.remote = *r;
		v = either(c, o, &d);
	}
	if (!v && c->flags & ZONED) {
		__builtin_memset(&d.remote, 0, sizeof d.remote);
		d.remote.stays = zone_of(r) | INWARD;
		v = either(c, o, &d);
	}
	if (!v) {
		scope = BY_FLOW;
		v = counting(c, bpf_map_lookup_elem(&flows, f));
	}
	if (!v || (v->named && !names_known()))
		return UNKNOWN;
	return answer(a, v, scope);
}

/* of_program is what is decided of a program as a whole. */
static __always_inline __u32 of_program(struct config *c, struct program *p, struct answer *a)
{
	struct verdict *v = counting(c, bpf_map_lookup_elem(&programs, p));
	return v ? answer(a, v, BY_PROGRAM) : prepared(c, p, a);
}

/* look_up is what is decided of a flow; it fills a if it is not UNKNOWN. */
static __always_inline __u32 look_up(struct config *c, struct owner *o, struct remote *r, __u64 cookie, struct answer *a)
{
	struct verdict *v = counting(c, bpf_map_lookup_elem(&programs, &o->program));
	if (v)
		return answer(a, v, BY_PROGRAM);
	__u32 verdict = narrower(c, o, r, cookie, a);
	return verdict ? verdict : prepared(c, &o->program, a);
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
__noinline int note(struct owner *o, struct remote *r, struct local *l, __u32 decision, __u32 verdict)
{
	if (!o || !r)
		return 0;
	struct seen_key key = { .program = o->program, .remote = *r, .decision = decision, .verdict = verdict, .parent = o->parent };
	bool odd = odd_tick();
	if (counted(&key, odd))
		return 0;
	struct seen first = {
		.first = bpf_ktime_get_boot_ns(), .count = 1, .started = o->started,
		.pid = o->pid, .uid = o->uid,
	};
	if (l) {
		__builtin_memcpy(first.local, l->address, 16);
		first.local_port = l->port;
	}
	long err = odd ? bpf_map_update_elem(&seen_odd, &key, &first, BPF_NOEXIST)
		       : bpf_map_update_elem(&seen_even, &key, &first, BPF_NOEXIST);
	/* Another processor was first, or the map is full. */
	if (err && !counted(&key, odd))
		count(COUNT_UNLOGGED);
	return 0;
}

static __always_inline bool loopback(struct remote *r)
{
	if (!r->address[0] && !r->address[1] && r->address[2] == MAPPED)
		return (bpf_ntohl(r->address[3]) >> 24) == 127 || !r->address[3];
	return !r->address[0] && !r->address[1] && !r->address[2] && (r->address[3] == bpf_htonl(1) || !r->address[3]);
}

/* let_in remembers that a datagram from outside was let in. */
static __always_inline void let_in(struct flow *f, struct answer *a, __u32 port)
{
	struct welcome w = {
		.verdict = { .until = a->until, .epoch = a->epoch, .decision = a->decision, .verdict = ALLOW },
		.port = port,
	};
	bpf_map_update_elem(&heard, f, &w, BPF_ANY);
}

/* was_heard tells whether what is sent answers a datagram that was let in, if
 * only under rules of before: was_asked tells whether it still may. */
static __always_inline struct welcome *was_heard(__u64 cookie, struct remote *r)
{
	if (!datagrams(r->protocol))
		return 0;
	struct flow f = { .cookie = cookie, .remote = *r };
	struct welcome *w = bpf_map_lookup_elem(&heard, &f);
	return w && w->verdict.verdict == ALLOW ? w : 0;
}

/* was_asked tells whether what is sent answers a datagram that was let in. It
 * still does after a change that does not block it. */
static __always_inline bool was_asked(struct config *c, struct owner *o, __u64 cookie, struct remote *r)
{
	struct welcome *w = was_heard(cookie, r);
	if (!w)
		return false;
	if (counting(c, &w->verdict) || c->flags & INBOUND || r->stays)
		return true;
	struct flow whole = { .cookie = cookie, .remote = *r, .origin = r->port };
	struct answer a = {};
	__u32 port = w->port;
	whole.remote.stays = INWARD;
	whole.remote.port = port;
	__u32 verdict = inward(c, o, &whole.remote, &whole, &a);
	if (verdict == ALLOW) {
		whole.remote = *r;
		whole.origin = 0;
		let_in(&whole, &a, port);
	}
	return verdict != BLOCK;
}

/* spoke remembers where a socket sent, before it sends elsewhere. Where many
 * hear it, any of them may answer. */
static __always_inline void spoke(__u64 cookie, const struct remote *r)
{
	if (!datagrams(r->protocol))
		return;
	struct flow f = { .cookie = cookie, .remote = *r };
	if (many_hear(r))
		__builtin_memset(f.remote.address, 0, 16);
	__u32 one = 1;
	bpf_map_update_elem(&spoken, &f, &one, BPF_ANY);
}

/* solicited tells whether a datagram from outside answers what its socket sent. */
static __always_inline bool solicited(struct owner *o, struct flow *f)
{
	if (same_remote(&o->remote, &f->remote))
		return true;
	if (o->remote.protocol == f->remote.protocol && o->remote.port == f->remote.port && many_hear(&o->remote))
		return true;
	if (!(o->flags & MANY))
		return false;
	if (bpf_map_lookup_elem(&spoken, f))
		return true;
	struct flow key = *f;
	__builtin_memset(key.remote.address, 0, 16);
	return bpf_map_lookup_elem(&spoken, &key);
}

/* crowded counts a packet that goes to the engine, and tells whether too many
 * wait for it. Nobody waits for an engine that is gone. */
static __always_inline bool crowded(void)
{
	__u32 i = PACKETS_QUEUED, j = PACKETS_READ, k = ENGINE_ALIVE;
	__u64 *queued = bpf_map_lookup_elem(&naming, &i);
	__u64 *read = bpf_map_lookup_elem(&naming, &j);
	__u64 *alive = bpf_map_lookup_elem(&naming, &k);
	if (!queued || !read || !alive)
		return false;
	__s64 behind = __sync_fetch_and_add(queued, 1) - *(volatile __u64 *)read;
	return behind > CROWD && bpf_ktime_get_boot_ns() - *alive < PATIENCE;
}

/* hurrying tells whether a program sends so much that others would have to
 * wait: the queue is for all. */
static __always_inline bool hurrying(struct program *p)
{
	bool crowd = crowded();
	__u64 second = bpf_ktime_get_ns() / 1000000000;
	struct hurry *h = bpf_map_lookup_elem(&hurries, p);
	if (!h || h->second != second) {
		struct hurry first = { .second = second, .count = 1 };
		bpf_map_update_elem(&hurries, p, &first, BPF_ANY);
		return false;
	}
	if (__sync_fetch_and_add(&h->count, 1) < HURRY_PER_SECOND || !crowd)
		return false;
	__u32 i = PACKETS_QUEUED;
	__u64 *queued = bpf_map_lookup_elem(&naming, &i);
	if (queued)
		__sync_fetch_and_add(queued, -1);
	return true;
}
