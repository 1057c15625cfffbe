/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which program runs, and by which path. */
#pragma once

#include "records.h"

static __always_inline __u64 change_time(struct inode *inode)
{
	if (bpf_core_field_exists(((struct inode___v6_11 *)0)->i_ctime_sec)) {
		struct inode___v6_11 *i = (void *)inode;
		/* The highest bit tells that somebody has asked for the time. */
		return i->i_ctime_sec * 1000000000ULL + (i->i_ctime_nsec & 0x7fffffff);
	}
	if (bpf_core_field_exists(((struct inode___v6_6 *)0)->__i_ctime)) {
		struct inode___v6_6 *i = (void *)inode;
		return i->__i_ctime.tv_sec * 1000000000ULL + i->__i_ctime.tv_nsec;
	}
	struct inode___v6_1 *i = (void *)inode;
	return i->i_ctime.tv_sec * 1000000000ULL + i->i_ctime.tv_nsec;
}

/* identify names an open file; a missing one leaves p zero. */
static __always_inline void identify(struct file *file, struct program *p)
{
	struct inode *inode = file->f_inode;
	if (!inode)
		return;
	p->inode = (__u64)inode;
	p->dentry = (__u64)file->f_path.dentry;
	p->mount = (__u64)file->f_path.mnt;
	p->ctime = change_time(inode);
	p->number = inode->i_ino;
	p->generation = inode->i_generation;
	struct super_block *super = inode->i_sb;
	if (super)
		p->device = super->s_dev;
}

/* executable is the file that a task runs; 0 for the kernel's own threads. */
static __always_inline struct file *executable(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	return mm ? mm->exe_file : 0;
}

struct walk {
	__u64 dentry, root, mount;
	__u32 names, length, complete;
};

/* climb notes one name and goes one directory up. */
static long climb(__u32 i, struct walk *w)
{
	struct dentry *dentry = (void *)w->dentry;
	struct mount *mount = (void *)w->mount;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	__u32 zero = 0;

	if (w->dentry == w->root || w->dentry == (__u64)parent) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);
		if ((__u64)above == w->mount || !above) {
			w->complete = 1;
			return 1;
		}
		w->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
		w->mount = (__u64)above;
		w->root = (__u64)BPF_CORE_READ(above, mnt.mnt_root);
		return 0;
	}
	struct path_text *t = bpf_map_lookup_elem(&scratch, &zero);
	__u32 at = w->length;
	if (!t || w->names >= NAMES || at >= TEXT)
		return 1;
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	long n = bpf_probe_read_kernel_str(t->text + at, NAME, name);
	if (n <= 0 || n >= NAME)
		return 1;
	w->length = at + n;
	w->names += 1;
	w->dentry = (__u64)parent;
	return 0;
}

/* remember_path keeps the path of a program, once. */
static __always_inline void remember_path(struct task_struct *task, struct file *file, struct program *p)
{
	__u32 zero = 0;
	if (bpf_map_lookup_elem(&paths, p))
		return;
	struct path_text *t = bpf_map_lookup_elem(&scratch, &zero);
	if (!t)
		return;
	struct vfsmount *mnt = (void *)p->mount;
	struct walk w = {
		.dentry = p->dentry,
		.root = (__u64)BPF_CORE_READ(mnt, mnt_root),
		.mount = p->mount - bpf_core_field_offset(struct mount, mnt),
	};
	bpf_loop(NAMES + 32, climb, &w, 0);
	t->length = w.length;
	t->complete = w.complete;
	struct inode *inode = (void *)p->inode;
	t->links = BPF_CORE_READ(inode, i_nlink);
	t->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	bpf_map_update_elem(&paths, p, t, BPF_NOEXIST);
}

static __always_inline bool in_subtree(struct config *c, struct cgroup *cgroup)
{
	if (!cgroup || BPF_CORE_READ(cgroup, level) < (int)c->level)
		return false;
	struct cgroup *ancestor = 0;
	__u64 at = (__u64)cgroup + bpf_core_field_offset(struct cgroup, ancestors) + 8ULL * c->level;
	bpf_probe_read_kernel(&ancestor, sizeof ancestor, (void *)at);
	return BPF_CORE_READ(ancestor, kn, id) == c->cgroup;
}
