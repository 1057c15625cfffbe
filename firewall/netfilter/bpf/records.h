/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel side and the engine tell each other, and where. */
#pragma once

#include "kernel.h"

enum { UNKNOWN, ALLOW, BLOCK };                /* a verdict */
enum { BY_FLOW, BY_DESTINATION, BY_PROGRAM };  /* how widely it holds */
enum { OFF = 1, LOCK = 2, LOOPBACK = 4, INBOUND = 8, WHOLE = 16, PROCESSES = 32, BY_NAME = 64, PASS = 128, FAIL_OPEN = 256, ZONED = 512 }; /* config flags */
enum { LOGGED = 1, HELD = 2, MANY = 4, ONCE = 8, CLOSED = 16, HANDED = 32 };   /* owner flags */
enum { COUNT_LOST, COUNT_FOREIGN, COUNT_UNLOGGED, COUNTERS };
enum { EVENT_GONE = 1, EVENT_DNS, EVENT_LOCAL_DNS, EVENT_HANDED, EVENT_KNOCK }; /* local: by the loopback device */
enum { DECIDED_BY_LOCK = 1, FORGED, OVERFLOWN }; /* decision numbers that the kernel gives itself */

/* In the place of a program's inode: the process says that it runs a file that
 * it does not run. */
#define IMPOSTOR 1

/* Names one executable as one path of one mount: enough to know it again. */
struct program {
	__u64 dentry, mount, inode; /* kernel addresses */
	__u64 ctime;                /* ns */
	__u64 number;               /* of the inode */
	__u32 device, generation;
	__u64 file, execution; /* of an interpreter: see interpreter.h */
};

/* In the number of an execution that nobody saw begin: the rest is when its
 * process started. */
#define UNSEEN (1ULL << 63)

struct file_number {
	__u64 number;
	__u32 device, zero;
};

#define ARGUMENTS 1024 /* bytes of a command line, at most */
#define FOLDER 512     /* of the path of a folder */

/* Names an execution of an interpreter. */
struct execution_name {
	__u64 number; /* never used twice */
	__u64 file;   /* the kernel's address of the open executable */
	__u64 inode, ctime;
};

/* One execution of an interpreter, as it began. */
struct execution {
	struct execution_name name;
	__u64 begun; /* ns since boot */
	__u32 mount_namespace; /* 0: its paths begin elsewhere */
	__u32 level;           /* of the user namespace whose root may mount there */
	__u32 length; /* of the arguments; those beyond ARGUMENTS are not here */
	__u32 folder_length, folder_known, zero;
	char arguments[ARGUMENTS];
	char folder[FOLDER]; /* as in path_text */
};

struct address {
	__u32 words[4];
};

enum { STAYS = 1, INWARD = 2, ZONE = 16 }; /* ZONE times a zone's number */
#define INTERNET_ZONE 3

/* Where a flow goes; IPv4 as v4-mapped IPv6. Of one from outside, the port is
 * the one here. */
struct remote {
	__u32 address[4];
	__u16 port; /* of ICMP its type, plus 1 */
	__u8 protocol;
	__u8 stays; /* STAYS: it leaves by the loopback device; INWARD: it comes from outside; in a verdict's key also ZONE */
};

/* Names the same executable and path also when the kernel has forgotten and
 * read them again, and in every mount namespace. */
struct file_at {
	__u64 ctime, number;
	__u64 path; /* hash of the path's names */
	__u32 device, generation;
};

/* What a verdict is about: a program's flows to one remote; if process is not
 * 0, only those of this process, and with a zero remote all of them; all those from
 * outside if that is INWARD and nothing else, and with a ZONE, all those of it. */
struct destination {
	struct program program;
	struct remote remote;
	__u32 process;
	__u64 started; /* ns since boot */
};

struct flow {
	__u64 cookie;
	struct remote remote;
	__u32 origin; /* port of who opens it from outside */
};

struct verdict {
	__u64 until; /* ns since boot; 0: no end */
	__u32 epoch; /* it counts only in the epoch in which it was made */
	__u32 decision;
	__u32 verdict;
	__u32 named; /* it counts only while the engine knows every name */
};

/* What was decided of a datagram from outside, and the port here that it came to. */
struct welcome {
	struct verdict verdict;
	__u32 port, zero;
};

/* Where a flow comes from. */
struct local {
	__u32 address[4];
	__u32 port;
};

/* What look_up finds. */
struct answer {
	__u32 epoch, decision, scope, zero;
	__u64 until; /* as in verdict; soon if the name of an address counts */
};

/* The program that used a socket last, and what is known of the socket. */
struct owner {
	struct program program;
	struct remote remote; /* where it sent last */
	__u32 epoch;
	__u32 decision;
	__u8 verdict, scope, flags, zero;
	__u32 pid, uid;
	__u32 parent; /* the process that started this one */
	__u32 zero2;
	__u64 started; /* ns since boot */
	__u64 exe;     /* the kernel's address of the open executable; 0: not known */
};

/* Another program or user than the socket's owner that had to do with it. */
struct other {
	struct program program;
	__u64 exe;
	__u32 pid, uid;
	__u32 opened; /* it opened the socket that the owner uses; 0: it uses the owner's */
	__u32 told;
};

#define PATIENCE 1000000000ULL /* ns, after which an engine that says nothing is gone */

#define NAMES 64   /* components of a path */
#define TEXT 2048  /* bytes of all components */
#define NAME 256   /* bytes of one, with its end */

struct path_text {
	__u32 mount_namespace;
	__u32 length;
	__u32 complete; /* 0: too long to hold */
	__u32 links;    /* 0: deleted */
	__u64 hash;     /* of text */
	char text[TEXT + NAME]; /* names from the last to the first, each ended by 0 */
};

/* Where one processor notes a path. */
struct sheet {
	__u64 walks; /* begun: a task may be put aside for another that begins one too */
	struct path_text text;
};

struct seen_key {
	struct program program;
	struct remote remote;
	__u32 decision;
	__u32 verdict;
	__u32 parent; /* who uses a program to talk for it has lines of its own */
};

struct seen {
	__u64 first; /* ns since boot */
	__u64 count;
	__u64 started;
	__u32 pid, uid;
	__u32 local[4];
	__u32 local_port;
	__u32 zero;
};

/* What identifies a packet both here and in the engine: addresses and the
 * first bytes behind the IP header. */
struct tuple {
	__u32 source[4], target[4];
	__u32 transport; /* its first four bytes: the ports */
	__u16 id;
	__u8 protocol, version;
};

/* How many packets went to the engine within a second. */
struct hurry {
	__u64 second;
	__u64 count;
};

/* Of a program, while the engine is so many packets behind. */
#define HURRY_PER_SECOND 256
#define CROWD 1024

struct config {
	__u32 epoch;
	__u32 flags;
	__u64 netns;  /* cookie */
	__u64 cgroup; /* id */
	__u32 level;  /* of the cgroup below the root */
	__u32 ahead;  /* verdicts of so many epochs more count too: the next one is being prepared */
	__u32 engine; /* its process sends on what it held for others */
	__u32 zero;
	__u64 off_until; /* ns since boot, when OFF ends though no engine says so; 0: never */
	__u64 marks;  /* of the interpreters that are listed: most other programs have none of these */
};

struct event {
	__u32 kind;
	__u32 length;
	__u64 cookie;
};

#define DNS_BYTES 1536
#define DNS_SHORT 256 /* most messages are no longer than this */

struct dns_event {
	struct event event;
	__u8 packet[];
};

/* A configured resolver's messages are all copied. Of others only so many a
 * second that the engine sees when one of them becomes a resolver. */
#define STRANGERS_PER_SECOND 64

/* Datagrams from outside that nothing decides yet: so many a second are told
 * to the engine, and one of a flow within PATIENCE. */
#define KNOCKS_PER_SECOND 256
#define KNOCK_BYTES 128

struct knock_event {
	struct event event;
	__u8 packet[KNOCK_BYTES];
};

/* In the number by which a packet's socket is known: it answers one from
 * outside, and the number is the listener's. */
#define SERVER (1ULL << 63)

/* A prefix of addresses: its length in bits, of v4-mapped ones too. */
struct prefix {
	__u32 length;
	__u32 address[4];
};

/* A socket as the iterator finds it. */
struct found {
	struct program program;
	__u64 cookie, netns, started;
	__u32 pid, uid;
	__u32 local[4];
	struct remote remote;
	__u16 local_port;
	__u8 state, type, family, member, zero[2];
	__u32 fd;
};

/* The descriptors that the engine asks for: its own, from fd on. */
struct wanted {
	__u32 pid, fd;
};

struct opened_file {
	struct program program;
	__u64 path; /* hash; 0: too long */
	__u32 fd, zero;
};

/* The name on which verdicts about an address depend: only the engine reads
 * it, the next one too. */
struct host {
	__u64 until; /* ns since boot */
	char name[256];
};

enum { REPLIES_TOLD, REPLIES_READ, ENGINE_ALIVE, PACKETS_QUEUED, PACKETS_READ, EXECUTIONS, NUMBERS };

#define MAP(NAME_, TYPE_, KEY_, VALUE_, ENTRIES_, FLAGS_) \
	struct { \
		__uint(type, BPF_MAP_TYPE_##TYPE_); \
		__uint(max_entries, ENTRIES_); \
		__uint(map_flags, FLAGS_); \
		__type(key, KEY_); \
		__type(value, VALUE_); \
	} NAME_ SEC(".maps")

MAP(configs, ARRAY, __u32, struct config, 1, 0);
MAP(ticks, ARRAY, __u32, __u32, 1, 0); /* which of the two seen maps is written */
MAP(programs, LRU_HASH, struct program, struct verdict, 16384, 0);
MAP(destinations, LRU_HASH, struct destination, struct verdict, 32768, 0);
MAP(files, HASH, struct file_at, struct verdict, 32768, BPF_F_NO_PREALLOC);
MAP(hosts, HASH, struct address, struct host, 4096, BPF_F_NO_PREALLOC);
MAP(naming, ARRAY, __u32, __u64, NUMBERS, 0); /* DNS replies and packets, told and read; when, in ns since boot; executions */
MAP(resolvers, HASH, struct address, __u32, 256, BPF_F_NO_PREALLOC);
MAP(strangers, ARRAY, __u32, struct hurry, 1, 0); /* DNS messages of servers that are not configured */
MAP(flows, LRU_HASH, struct flow, struct verdict, 16384, 0);
MAP(owners, LRU_HASH, __u64, struct owner, 65536, 0);
MAP(others, LRU_HASH, __u64, struct other, 4096, 0);
MAP(kernel_owners, PERCPU_ARRAY, __u32, struct owner, 1, 0);
MAP(heard, LRU_HASH, struct flow, struct welcome, 16384, 0); /* datagrams from outside, by where an answer goes */
MAP(spoken, LRU_HASH, struct flow, __u32, 32768, 0); /* where a socket sent before it sent where it did last */
MAP(knocks, ARRAY, __u32, struct hurry, 1, 0);
MAP(tuples, LRU_HASH, struct tuple, __u64, 16384, 0);
MAP(hurries, LRU_HASH, struct program, struct hurry, 4096, 0);
MAP(paths, LRU_HASH, struct program, struct path_text, 4096, 0);
MAP(scratch, PERCPU_ARRAY, __u32, struct sheet, 1, 0);
MAP(seen_even, HASH, struct seen_key, struct seen, 16384, 0);
MAP(seen_odd, HASH, struct seen_key, struct seen, 16384, 0);
MAP(counters, PERCPU_ARRAY, __u32, __u64, COUNTERS, 0);
MAP(wanteds, ARRAY, __u32, struct wanted, 1, 0);
MAP(interpreters, HASH, struct file_number, __u32, 512, BPF_F_NO_PREALLOC);
MAP(executions, LRU_HASH, __u64, struct execution, 2048, 0);   /* by file: those that began last */
MAP(talking, LRU_HASH, __u64, struct execution_name, 2048, 0); /* by file: those that used the network */
MAP(talked, LRU_HASH, __u64, struct execution, 2048, 0);       /* these by number, also when their file is another's */
MAP(drafts, PERCPU_ARRAY, __u32, struct execution, 1, 0);

MAP(zones, LPM_TRIE, struct prefix, __u32, 65536, BPF_F_NO_PREALLOC);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} events SEC(".maps");

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &which);
	if (n)
		*n += 1; /* one counter for each processor */
}

static __always_inline struct config *configuration(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&configs, &zero);
}

/* off tells whether everything passes. */
static __always_inline bool off(struct config *c)
{
	return (c->flags & OFF) && (!c->off_until || bpf_ktime_get_boot_ns() < c->off_until);
}

/* shut tells whether nothing passes the lock. Else what is decided now is what
 * passes it and what does not. */
static __always_inline bool shut(struct config *c)
{
	return (c->flags & (LOCK | PASS)) == LOCK;
}

/* kernel_owner is who has the kernel's own sockets: no program. */
static __always_inline struct owner *kernel_owner(void)
{
	__u32 zero = 0;
	struct owner *o = bpf_map_lookup_elem(&kernel_owners, &zero);
	if (o)
		__builtin_memset(o, 0, sizeof *o);
	return o;
}

/* The addresses are compared as numbers: alignment is theirs. */
static __always_inline bool same_remote(const struct remote *a, const struct remote *b)
{
	return a->address[3] == b->address[3] && a->address[0] == b->address[0] &&
	       a->address[1] == b->address[1] && a->address[2] == b->address[2] &&
	       a->port == b->port && a->protocol == b->protocol && a->stays == b->stays;
}

static __always_inline bool same_program(const struct program *a, const struct program *b)
{
	return a->dentry == b->dentry && a->mount == b->mount && a->inode == b->inode &&
	       a->ctime == b->ctime && a->number == b->number && a->device == b->device &&
	       a->generation == b->generation && a->file == b->file && a->execution == b->execution;
}
