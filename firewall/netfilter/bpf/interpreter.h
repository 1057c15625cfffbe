/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What interpreters execute. Each execution of one is a program of its own, so
 * that nothing decided of one script holds for another. */
#pragma once

#include "identity.h"

/* stale tells whether what is kept by a file's address is not of this program:
 * addresses are used again, and so is memory while it is read. */
static __always_inline bool stale(struct execution_name *n, struct program *p, __u64 at)
{
	return n->file != at || n->inode != p->inode || n->ctime != p->ctime;
}

/* marked tells whether a program may be listed as an interpreter: that spares
 * most others a look into the list, which costs as much as all the rest of an
 * identification. */
static __always_inline bool marked(struct config *c, struct program *p)
{
	return c->marks >> (p->number * 0x9e3779b97f4a7c15ULL >> 58) & 1;
}

static __always_inline bool listed(struct program *p)
{
	struct file_number key = { .number = p->number, .device = p->device };
	return bpf_map_lookup_elem(&interpreters, &key);
}

/* begun is the number of the execution of an open file; 0 if nobody saw it
 * begin. What talks is kept longer than what does not, and by a number that
 * stays its own: the program may be gone, and its file another's, before
 * anybody asks what it was. */
static __always_inline __u64 begun(struct program *p, __u64 at)
{
	struct execution_name *n = bpf_map_lookup_elem(&talking, &at);
	if (n) {
		__u64 number = n->number;
		if (!stale(n, p, at)) {
			bpf_map_lookup_elem(&talked, &number); /* keeps it from being forgotten */
			return number;
		}
	}
	struct execution *e = bpf_map_lookup_elem(&executions, &at);
	if (!e)
		return 0;
	struct execution_name name = e->name;
	if (stale(&name, p, at))
		return 0;
	bpf_map_update_elem(&talked, &name.number, e, BPF_ANY);
	e = bpf_map_lookup_elem(&executions, &at);
	if (e && e->name.number == name.number) {
		bpf_map_update_elem(&talking, &at, &name, BPF_ANY);
		return name.number;
	}
	bpf_map_delete_elem(&talked, &name.number); /* it may be another's, which took the place while it was copied */
	return 0;
}

/* particular makes the program of an interpreter that of this execution: a
 * process that becomes another script becomes another program, and those that
 * it forks are the same. */
static __noinline void particular(struct task_struct *task, struct file *executed, struct program *p)
{
	if (!listed(p))
		return;
	__u64 at = (__u64)executed;
	p->file = at;
	p->execution = begun(p, at);
	if (p->execution)
		return;
	struct task_struct *leader = task->group_leader;
	if (leader)
		p->execution = leader->start_boottime;
	p->execution |= UNSEEN;
}

/* identify_running names what a task runs. In its own user namespace a process
 * may put any file that it has open into the place of the one that it executed
 * (PR_SET_MM_MAP); then nobody can say what runs. */
static __always_inline void identify_running(struct config *c, struct task_struct *task, struct file *executed, struct program *p)
{
	if (executed->f_flags & OPENED_BY_EXEC) {
		identify(executed, p);
		if (marked(c, p))
			particular(task, executed, p);
	} else
		p->inode = IMPOSTOR;
}

/* note_folder keeps the path of a folder, if it is one that can be named. */
static __always_inline void note_folder(struct execution *e, struct path *folder, __u64 space)
{
	struct sheet *s = sheet();
	struct vfsmount *mnt = BPF_CORE_READ(folder, mnt);
	struct program p = { .dentry = (__u64)BPF_CORE_READ(folder, dentry), .mount = (__u64)mnt };
	struct mount *mount = (void *)(p.mount - bpf_core_field_offset(struct mount, mnt));
	if (!s || !space || (__u64)BPF_CORE_READ(mount, mnt_ns) != space)
		return; /* its file system was taken out of the tree */
	__u64 number = write_path(s, &p);
	if (!s->text.complete || s->text.length > FOLDER)
		return;
	bpf_probe_read_kernel(e->folder, FOLDER, s->text.text);
	e->folder_length = s->text.length;
	e->folder_known = undisturbed(s, number);
}

/* at_root tells whether a task's paths begin where those of its mount
 * namespace do. */
static __always_inline bool at_root(struct path *root)
{
	struct sheet *s = sheet();
	struct program p = { .dentry = (__u64)BPF_CORE_READ(root, dentry), .mount = (__u64)BPF_CORE_READ(root, mnt) };
	if (!s)
		return false;
	__u64 number = write_path(s, &p);
	return s->text.complete && !s->text.length && undisturbed(s, number);
}

/* The arguments are read while they are what was executed: what runs may
 * write over them. */
SEC("tp_btf/sched_process_exec")
int executed(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct config *c = configuration();
	struct file *file = executable(task);
	if (!c || !file)
		return 0;
	struct program p = {};
	identify(file, &p);
	if (!marked(c, &p) || !listed(&p))
		return 0;
	__u64 at = (__u64)file;
	bpf_map_delete_elem(&executions, &at);
	bpf_map_delete_elem(&talking, &at);
	if (!(c->flags & WHOLE) && !in_subtree(c, BPF_CORE_READ(task, cgroups, dfl_cgrp)))
		return 0;
	__u32 zero = 0, counter = EXECUTIONS;
	struct execution *e = bpf_map_lookup_elem(&drafts, &zero);
	__u64 *last = bpf_map_lookup_elem(&naming, &counter);
	struct mm_struct *mm = task->mm;
	struct fs_struct *fs = task->fs;
	if (!e || !last || !mm || !fs)
		return 0;
	e->name.number = __sync_fetch_and_add(last, 1) + 1;
	e->name.file = at;
	e->name.inode = p.inode;
	e->name.ctime = p.ctime;
	e->begun = bpf_ktime_get_boot_ns();
	e->mount_namespace = 0;
	e->folder_known = 0;
	e->folder_length = 0;
	e->length = 0;
	if (at_root(&fs->root))
		e->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	e->level = BPF_CORE_READ(task, nsproxy, mnt_ns, user_ns, level);
	note_folder(e, &fs->pwd, (__u64)BPF_CORE_READ(task, nsproxy, mnt_ns));
	__u64 start = mm->arg_start, length = mm->arg_end - start;
	__u32 size = length < ARGUMENTS ? length : ARGUMENTS;
	if (size && !bpf_probe_read_user(e->arguments, size, (void *)start))
		e->length = length < 1 << 30 ? length : 1 << 30;
	bpf_map_update_elem(&executions, &at, e, BPF_ANY);
	return 0;
}
