/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets: who made, connected and used them. These hooks run in the process
 * that makes the system call. */
#pragma once

#include "hands.h"

/* describe says who runs now. The kernel's own threads have a zero program. */
static __always_inline struct file *describe(struct config *c, struct owner *o)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = executable(task);
	if (file)
		identify_running(c, task, file, &o->program);
	o->exe = (__u64)file;
	o->pid = bpf_get_current_pid_tgid() >> 32;
	o->uid = bpf_get_current_uid_gid();
	struct task_struct *leader = task->group_leader;
	if (leader)
		o->started = leader->start_boottime;
	struct task_struct *parent = task->real_parent;
	if (parent)
		o->parent = parent->tgid;
	return file;
}

/* adopt puts what the application's MPTCP socket is known by in o's place: the
 * kernel opens further subflows by itself. */
static __always_inline void adopt(struct owner *o, __u64 parent)
{
	struct owner *p = bpf_map_lookup_elem(&owners, &parent);
	if (!p)
		return;
	o->program = p->program;
	o->pid = p->pid;
	o->uid = p->uid;
	o->started = p->started;
	o->parent = p->parent;
}

static __always_inline int attempt(struct bpf_sock_addr *ctx, struct remote *r, bool sending)
{
	struct config *c = configuration();
	struct answer a = {};

	if (!c || off(c) || bpf_get_netns_cookie(ctx) != c->netns)
		return 1;
	r->stays = loopback(r); /* as far as the address tells */
	if (r->stays && (c->flags & (LOOPBACK | LOCK)))
		return 1;

	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct owner now = { .remote = *r };
	struct file *file = describe(c, &now);
	if (r->protocol == IPPROTO_TCP) {
		__u64 parent = connecting_cookie(ctx->sk);
		if (parent) {
			cookie = parent;
			if (!file)
				adopt(&now, parent);
		}
	}
	if (shut(c)) {
		note(&now, r, 0, DECIDED_BY_LOCK, BLOCK);
		return 0;
	}
	struct owner *known = bpf_map_lookup_elem(&owners, &cookie);
	bool same = known && same_program(&known->program, &now.program) && known->pid == now.pid;
	if (sending && same) {
		bool there = same_remote(&known->remote, r);
		if (known->epoch == c->epoch && known->verdict == ALLOW &&
		    (there || known->scope == BY_PROGRAM)) {
			if (!there && !was_heard(cookie, r)) {
				spoke(cookie, &known->remote);
				known->remote = *r;
				known->flags = (known->flags & ~LOGGED) | MANY;
			}
			return 1;
		}
	}
	/* An answer, which makes nothing a reply that comes after it. */
	if (sending && !(c->flags & LOCK) && was_heard(cookie, r)) {
		__builtin_memset(&now.remote, 0, sizeof now.remote);
		bpf_map_update_elem(&owners, &cookie, &now, BPF_NOEXIST);
		return 1;
	}
	__u32 verdict = look_up(c, &now, r, cookie, &a);
	if (!verdict && file && remember_path(bpf_get_current_task(), &now.program))
		verdict = prepared(c, &now.program, &a);
	if (verdict == BLOCK) {
		note(&now, r, 0, a.decision, BLOCK);
		return 0;
	}
	if (verdict) {
		now.epoch = a.epoch;
		now.decision = a.decision;
		now.verdict = ALLOW;
		now.scope = a.scope;
	}
	if (known) {
		now.flags = known->flags & (HELD | ONCE | MANY);
		if (file && !same_hands(known, now.exe, now.uid) && handed(cookie, known, &now))
			now.flags |= HANDED;
		if (known->remote.protocol && !same_remote(&known->remote, r)) {
			spoke(cookie, &known->remote);
			now.flags |= MANY;
		}
		*known = now;
	} else
		bpf_map_update_elem(&owners, &cookie, &now, BPF_ANY);
	return 1;
}

static __always_inline int attempt4(struct bpf_sock_addr *ctx, bool sending)
{
	struct remote r = { .address = { 0, 0, MAPPED, ctx->user_ip4 } };
	r.protocol = ctx->protocol;
	if (r.protocol != IPPROTO_ICMP)
		r.port = bpf_ntohs(ctx->user_port);
	return attempt(ctx, &r, sending);
}

static __always_inline int attempt6(struct bpf_sock_addr *ctx, bool sending)
{
	struct remote r = { .address = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] } };
	r.protocol = ctx->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP : ctx->protocol;
	if (r.protocol != IPPROTO_ICMP)
		r.port = bpf_ntohs(ctx->user_port);
	return attempt(ctx, &r, sending);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return attempt4(ctx, false);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return attempt6(ctx, false);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return attempt4(ctx, true);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return attempt6(ctx, true);
}

/* TCP and UDP are attributed when they connect or send. Of every other socket
 * (ping, raw, MPTCP, SCTP, connected UDP-Lite), this is all that a hook sees. */
SEC("cgroup/sock_create")
int create(struct bpf_sock *sk)
{
	struct config *c = configuration();
	if (!c || (sk->family != AF_INET && sk->family != AF_INET6))
		return 1;
	if (bpf_get_netns_cookie(sk) != c->netns) {
		count(COUNT_FOREIGN);
		return 1;
	}
	__u32 protocol = sk->protocol;
	if (sk->type != SOCK_RAW && (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP))
		return 1;
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct owner now = {};
	struct file *file = describe(c, &now);
	if (!file)
		return 1;
	remember_path(bpf_get_current_task(), &now.program);
	if (sk->type == SOCK_RAW || protocol != IPPROTO_UDPLITE)
		now.flags = MANY;
	bpf_map_update_elem(&owners, &cookie, &now, BPF_ANY);
	return 1;
}

SEC("cgroup/sock_release")
int release(struct bpf_sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct owner *o = bpf_map_lookup_elem(&owners, &cookie);
	if (!o)
		return 1;
	if (o->flags & (HELD | ONCE)) {
		struct event e = { .kind = EVENT_GONE, .cookie = cookie };
		if (bpf_ringbuf_output(&events, &e, sizeof e, BPF_RB_FORCE_WAKEUP))
			count(COUNT_LOST);
		/* Its packets still wait: who sent them must be known. */
		o->flags |= CLOSED;
		return 1;
	}
	bpf_map_delete_elem(&owners, &cookie);
	return 1;
}

/* Every socket with the process that holds it, in one pass. */
SEC("iter/task_file")
int sockets(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	if (!file || !task || task->pid != task->tgid)
		return 0; /* threads share their files */
	struct socket *socket = (void *)bpf_sock_from_file((void *)file);
	struct config *c = configuration();
	if (!socket || !c)
		return 0;
	struct sock *sk = socket->sk;
	if (!sk)
		return 0;
	struct found f = { .family = sk->__sk_common.skc_family };
	if (f.family != AF_INET && f.family != AF_INET6)
		return 0;
	f.cookie = bpf_get_socket_cookie(sk);
	f.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	if (f.netns != c->netns)
		return 0;
	f.member = (c->flags & WHOLE) || in_subtree(c, BPF_CORE_READ(sk, sk_cgrp_data.cgroup)) ||
		   in_subtree(c, BPF_CORE_READ(task, cgroups, dfl_cgrp));
	f.pid = task->tgid;
	f.fd = ctx->fd;
	f.uid = BPF_CORE_READ(task, cred, uid.val);
	f.started = task->start_boottime;
	f.state = sk->__sk_common.skc_state;
	f.type = sk->sk_type;
	f.remote.protocol = sk->sk_protocol; /* 16 bits: MPTCP's 262 becomes TCP's 6 */
	f.local_port = sk->__sk_common.skc_num;
	f.remote.port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (f.family == AF_INET) {
		f.local[2] = f.remote.address[2] = MAPPED;
		f.local[3] = sk->__sk_common.skc_rcv_saddr;
		f.remote.address[3] = sk->__sk_common.skc_daddr;
	} else {
		BPF_CORE_READ_INTO(&f.local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
		BPF_CORE_READ_INTO(&f.remote.address, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32);
	}
	struct file *exe = executable(task);
	if (exe) {
		identify_running(c, task, exe, &f.program);
		if (f.member)
			remember_path(kernel_address(task), &f.program);
	}
	bpf_seq_write((void *)ctx->meta->seq, &f, sizeof f);
	return 0;
}

/* The kernel's identities of files that the engine has open. */
SEC("iter/task_file")
int opened(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	__u32 zero = 0;
	struct wanted *w = bpf_map_lookup_elem(&wanteds, &zero);
	if (!file || !task || !w || task->pid != (int)w->pid || ctx->fd < w->fd)
		return 0;
	struct opened_file o = { .fd = ctx->fd };
	identify(file, &o.program);
	struct sheet *s = sheet();
	if (s && o.program.mount) {
		__u64 number = write_path(s, &o.program);
		if (s->text.complete)
			o.path = s->text.hash;
		if (!undisturbed(s, number))
			o.path = 0; /* asked for again when it is needed */
	}
	bpf_seq_write((void *)ctx->meta->seq, &o, sizeof o);
	return 0;
}
