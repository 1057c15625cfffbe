/*
 * A stand-in for the WinDivert driver, for tests in Wine: Wine's service
 * manager loads it, and it answers the requests that WinDivert 2.2's driver
 * answers. It sees no traffic: a test hands it packets and socket events through
 * \\.\WinDivertStandIn, and reads there what came out. It forgets no old
 * packets. It is never shipped.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <ntddk.h>

/*
 * Of kernel32, which only a driver in Wine can link: windows.h and ntddk.h do
 * not go together.
 */
#define KERNEL32 __declspec(dllimport) __attribute__((ms_abi))
KERNEL32 void *OpenProcess(ULONG access, int inherit, ULONG pid);
KERNEL32 int CloseHandle(void *handle);
KERNEL32 int ReadProcessMemory(void *process, const void *address, void *to, SIZE_T n, SIZE_T *done);
KERNEL32 int WriteProcessMemory(void *process, void *address, const void *from, SIZE_T n, SIZE_T *done);
KERNEL32 void *GetProcessHeap(void);
KERNEL32 void *HeapAlloc(void *heap, ULONG flags, SIZE_T n);
KERNEL32 int HeapFree(void *heap, ULONG flags, void *memory);

#define REQUEST(number, method, access) CTL_CODE(FILE_DEVICE_NETWORK, number, method, access)
#define READ_WRITE (FILE_READ_DATA | FILE_WRITE_DATA)

/* The numbers of the driver's interface, as WinDivert's header has them. */
#define DIVERT_INITIALIZE REQUEST(0x921, METHOD_OUT_DIRECT, READ_WRITE)
#define DIVERT_STARTUP    REQUEST(0x922, METHOD_IN_DIRECT, READ_WRITE)
#define DIVERT_RECEIVE    REQUEST(0x923, METHOD_OUT_DIRECT, FILE_READ_DATA)
#define DIVERT_SEND       REQUEST(0x924, METHOD_IN_DIRECT, READ_WRITE)
#define DIVERT_SET        REQUEST(0x925, METHOD_IN_DIRECT, READ_WRITE)
#define DIVERT_GET        REQUEST(0x926, METHOD_OUT_DIRECT, FILE_READ_DATA)
#define DIVERT_SHUTDOWN   REQUEST(0x927, METHOD_IN_DIRECT, READ_WRITE)

enum { ADDRESS = 80, ADDRESS_LAYER = 8, BATCH = 255 };
enum { LAYER_NETWORK = 0, LAYER_FORWARD = 1, LAYER_FLOW = 2, LAYER_SOCKET = 3, LAYER_REFLECT = 4 };
enum { FLAG_SNIFF = 1, FLAG_DROP = 2, FLAG_RECEIVE_ONLY = 4, FLAG_SEND_ONLY = 8, FLAG_ALL = 0x3f };
enum { SHUT_RECEIVE = 1, SHUT_SEND = 2 };
enum { QUEUE_LENGTH = 0, QUEUE_TIME = 1, QUEUE_SIZE = 2, VERSION_MAJOR = 3, VERSION_MINOR = 4 };

/* The requests of a test. A record is a packet's length (4 bytes), its address (80 bytes), and the packet. */
#define STANDIN_INJECT  REQUEST(0x801, METHOD_BUFFERED, READ_WRITE) /* in: records; out: how many a handle took (4 bytes) */
#define STANDIN_DRAIN   REQUEST(0x802, METHOD_BUFFERED, READ_WRITE) /* out: as many records as fit of what came out */
#define STANDIN_HANDLES REQUEST(0x803, METHOD_BUFFERED, READ_WRITE) /* out: an `information` for each open handle */
#define STANDIN_LOSE    REQUEST(0x804, METHOD_BUFFERED, READ_WRITE) /* every open handle fails from now on */

enum { RECORD = 4 + ADDRESS };

typedef struct {
    ULONG layer, pid, flags;
    LONG priority;
    ULONG waiting_requests, waiting_packets, shut;
    ULONG queue[3];
} information;

/* A packet or an event in a queue. */
typedef struct {
    LIST_ENTRY entry;
    ULONG length;
    UCHAR address[ADDRESS];
    UCHAR data[1];
} packet;

/* One instruction of a compiled filter: a test, and where to go on after it. */
typedef struct {
    ULONG field : 11, test : 5, success : 16;
    ULONG failure : 16, negative : 1, reserved : 15;
    ULONG argument[4];
} instruction;

/* An open handle of the WinDivert device. */
typedef struct {
    LIST_ENTRY entry; /* in `handles`, highest priority first; by itself until started */
    LIST_ENTRY requests, packets;
    ULONG layer, pid, shut;
    LONG priority;
    ULONGLONG flags, queue[3];
    int started, lost;
    instruction *filter;
    ULONG instructions;
    void *process; /* whose memory the addresses of its requests are in */
} handle;

extern LIST_ENTRY handles, sent; /* of handle, of packet */
extern FAST_MUTEX lock;          /* guards both, and everything in a handle's lists */
extern DEVICE_OBJECT *control;   /* the device of the tests */

/* handle.c */
NTSTATUS open_handle(IRP *irp, IO_STACK_LOCATION *at);
NTSTATUS close_handle(IRP *irp, IO_STACK_LOCATION *at);
NTSTATUS request(IRP *irp, IO_STACK_LOCATION *at);

/* queue.c: the lock is held */
int deliver(const UCHAR *address, const UCHAR *data, ULONG n, LONG below);
void serve(handle *h);
void fail(handle *h, NTSTATUS status);
void NTAPI cancel(DEVICE_OBJECT *device, IRP *irp);

/* filter.c */
int known(const instruction *filter, ULONG n);
int matches(const instruction *filter, ULONG n, const UCHAR *address, const UCHAR *data, ULONG length);

/* control.c */
NTSTATUS test_request(IRP *irp, IO_STACK_LOCATION *at);

/* driver.c */
NTSTATUS complete(IRP *irp, NTSTATUS status, ULONG_PTR n);
void *allocate(SIZE_T n);
void release(void *memory);
void copy(void *to, const void *from, SIZE_T n);
UCHAR *direct(IRP *irp, ULONG *n);

#endif
