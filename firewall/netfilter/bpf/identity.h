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

#define OPENED_BY_EXEC 0x20 /* __FMODE_EXEC: nobody else can open a file so */

struct walk {
	__u64 dentry, root, mount, hash;
	__u32 names, length, complete;
};

static __always_inline struct sheet *sheet(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&scratch, &zero);
}

/* climb notes one name and goes one directory up. */
static long climb(__u32 i, struct walk *w)
{
	struct dentry *dentry = (void *)w->dentry;
	struct mount *mount = (void *)w->mount;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

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
	struct sheet *s = sheet();
	__u32 at = w->length;
	if (!s || w->names >= NAMES || at >= TEXT)
		return 1;
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	long n = bpf_probe_read_kernel_str(s->text.text + at, NAME, name);
	if (n <= 0 || n >= NAME)
		return 1;
	w->length = at + n;
	w->names += 1;
	w->dentry = (__u64)parent;
	return 0;
}

/* mix adds eight bytes to the hash of a path. It need not resist anybody: it
 * only tells paths of one and the same file apart. */
static long mix(__u32 i, struct walk *w)
{
	struct sheet *s = sheet();
	__u64 at = 8ULL * i;
	asm volatile("" : "+r"(at)); /* the verifier must see the check of this very number */
	if (!s || at >= w->length || at > TEXT + NAME - 8)
		return 1;
	__u64 word = *(__u64 *)(s->text.text + at);
	__u64 left = w->length - at;
	if (left < 8)
		word &= (1ULL << (left * 8)) - 1;
	w->hash = (w->hash ^ word) * 0x9e3779b97f4a7c15ULL;
	w->hash ^= w->hash >> 32;
	return 0;
}

/* write_path notes the path of a program on this processor's sheet, and
 * returns the number of the walk. */
static __always_inline __u64 write_path(struct sheet *s, struct program *p)
{
	__u64 number = __sync_fetch_and_add(&s->walks, 1) + 1;
	struct vfsmount *mnt = (void *)p->mount;
	struct walk w = {
		.dentry = p->dentry,
		.root = (__u64)BPF_CORE_READ(mnt, mnt_root),
		.mount = p->mount - bpf_core_field_offset(struct mount, mnt),
	};
	bpf_loop(NAMES + 32, climb, &w, 0);
	bpf_loop((TEXT + NAME) / 8, mix, &w, 0);
	s->text.length = w.length;
	s->text.complete = w.complete;
	s->text.hash = w.hash;
	return number;
}

static __always_inline bool undisturbed(struct sheet *s, __u64 number)
{
	return *(volatile __u64 *)&s->walks == number;
}

/* remember_path keeps the path of a program that a task runs, and tells
 * whether it had not before. */
__noinline int remember_path(__u64 runs, struct program *p)
{
	struct task_struct *task = (void *)runs;
	if (!p || p->inode == IMPOSTOR)
		return 0;
	struct program key = *p; /* until 6.3, an argument cannot be a map's key */
	key.file = key.execution = 0;
	if (bpf_map_lookup_elem(&paths, &key))
		return 0;
	struct sheet *s = sheet();
	if (!s)
		return 0;
	struct inode *inode = (void *)key.inode;
	for (int i = 0; i < 3; i++) {
		__u64 number = write_path(s, &key);
		s->text.links = BPF_CORE_READ(inode, i_nlink);
		s->text.mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
		bpf_map_update_elem(&paths, &key, &s->text, BPF_ANY);
		if (undisturbed(s, number))
			return 1;
		bpf_map_delete_elem(&paths, &key); /* it may be the path of another program */
	}
	return 0;
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
