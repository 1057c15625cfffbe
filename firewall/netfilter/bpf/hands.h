/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets that change hands: inherited, or passed to another process. What is
 * decided stays with who opened the connection; the engine is told who uses it. */
#pragma once

#include "decide.h"
#include "interpreter.h"

/* same_hands tells, at the cost of a comparison, whether the owner of a socket
 * runs: what it forked has its executable open, what it executed has not. */
static __always_inline bool same_hands(struct owner *o, __u64 exe, __u32 uid)
{
	return o->exe == exe && o->uid == uid;
}

/* handed notes that the owner from opened a socket by which to sends now, and
 * tells whether they are different programs or users. */
static __noinline bool handed(__u64 cookie, struct owner *from, struct owner *to)
{
	if (from->uid == to->uid && same_program(&from->program, &to->program))
		return false;
	struct other opener = { .program = from->program, .exe = from->exe, .pid = from->pid, .uid = from->uid, .opened = 1 };
	bpf_map_update_elem(&others, &cookie, &opener, BPF_ANY);
	return true;
}

static __always_inline void tell_handed(__u64 cookie)
{
	struct event e = { .kind = EVENT_HANDED, .cookie = cookie };
	if (bpf_ringbuf_output(&events, &e, sizeof e, 0))
		count(COUNT_LOST);
}

/* hands looks whether who sends a packet is another program or user than the
 * owner of its socket, notes it, and tells the engine once if tell is set. */
static __noinline int hands(struct __sk_buff *skb, struct config *c, struct owner *o, __u64 cookie, bool tell)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = executable(task);
	struct other now = { .pid = task->tgid, .exe = (__u64)file };
	if (tell && o->flags & HANDED) {
		o->flags &= ~HANDED;
		tell_handed(cookie);
	}
	if (!file || !o->pid || now.pid == c->engine)
		return 0;
	const struct cred *cred = task->cred;
	if (!cred)
		return 0;
	now.uid = cred->uid.val;
	if (same_hands(o, now.exe, now.uid))
		return 0;
	struct sock *sk = sender(skb);
	/* What is no datagram is also sent in the name of whoever runs just then. */
	if (!sk || (BPF_CORE_READ(sk, sk_type) != SOCK_DGRAM && BPF_CORE_READ(sk, sk_type) != SOCK_RAW && !BPF_CORE_READ(sk, sk_lock.owned)))
		return 0;
	struct other *before = bpf_map_lookup_elem(&others, &cookie);
	if (before && !before->opened && before->exe == now.exe && before->uid == now.uid) {
		if (tell && !before->told) {
			before->told = 1;
			tell_handed(cookie);
		}
		return 0;
	}
	identify_running(c, task, file, &now.program);
	if (o->uid == now.uid && same_program(&o->program, &now.program)) {
		o->exe = now.exe; /* another execution of it, or one that was not known */
		return 0;
	}
	now.told = tell;
	bpf_map_update_elem(&others, &cookie, &now, BPF_ANY);
	remember_path(bpf_get_current_task(), &now.program);
	if (tell)
		tell_handed(cookie);
	return 0;
}

/* changed_hands is hands for a packet that leaves, whose socket's owner almost
 * always sends it. */
static __always_inline void changed_hands(struct __sk_buff *skb, struct config *c)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct owner *o = cookie ? bpf_map_lookup_elem(&owners, &cookie) : 0;
	if (!o)
		return;
	struct task_struct *task = bpf_get_current_task_btf();
	if (o->exe == (__u64)executable(task) && !(o->flags & HANDED)) {
		const struct cred *cred = task->cred;
		if (cred && cred->uid.val == o->uid)
			return;
	}
	hands(skb, c, o, cookie, true);
}
