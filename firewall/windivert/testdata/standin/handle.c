/* The requests of WinDivert's interface. */
#include "standin.h"

static const ULONGLONG magic_dll = 0x4C4C447669645724ull, magic_sys = 0x5359537669645723ull;
static const ULONGLONG least[3] = {32, 100, 65535}, most[3] = {16384, 16000, 33554432};

NTSTATUS open_handle(IRP *irp, IO_STACK_LOCATION *at)
{
    handle *h = allocate(sizeof *h);
    if (!h) return complete(irp, STATUS_NO_MEMORY, 0);
    InitializeListHead(&h->entry);
    InitializeListHead(&h->requests);
    InitializeListHead(&h->packets);
    h->queue[QUEUE_LENGTH] = 4096;
    h->queue[QUEUE_TIME] = 2000;
    h->queue[QUEUE_SIZE] = 4194304;
    h->pid = (ULONG)(ULONG_PTR)PsGetCurrentProcessId();
    h->process = OpenProcess(0x38 /* PROCESS_VM_OPERATION, _READ and _WRITE */, 0, h->pid);
    at->FileObject->FsContext = h;
    return complete(irp, STATUS_SUCCESS, 0);
}

NTSTATUS close_handle(IRP *irp, IO_STACK_LOCATION *at)
{
    handle *h = at->FileObject->FsContext;
    at->FileObject->FsContext = NULL;
    if (!h) return complete(irp, STATUS_SUCCESS, 0);
    ExAcquireFastMutex(&lock);
    RemoveEntryList(&h->entry);
    fail(h, STATUS_CANCELLED);
    while (!IsListEmpty(&h->packets))
    {
        /* as the driver does: what nobody took goes on its way */
        packet *p = CONTAINING_RECORD(RemoveHeadList(&h->packets), packet, entry);
        if (!(h->flags & FLAG_SNIFF)) deliver(p->address, p->data, p->length, h->priority);
        release(p);
    }
    ExReleaseFastMutex(&lock);
    if (h->process) CloseHandle(h->process);
    release(h->filter);
    release(h);
    return complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS initialize(handle *h, IRP *irp, const ULONGLONG *message)
{
    ULONG n, layer = ((ULONG *)message)[0], priority = ((ULONG *)message)[1];
    ULONGLONG flags = message[1], *version = (ULONGLONG *)direct(irp, &n);
    if (n != 64 || version[0] != magic_dll) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    if (layer > LAYER_REFLECT || priority > 60000 || (flags & ~(ULONGLONG)FLAG_ALL)) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    if ((layer == LAYER_FLOW || layer == LAYER_REFLECT) && (flags & (FLAG_SNIFF | FLAG_RECEIVE_ONLY)) != (FLAG_SNIFF | FLAG_RECEIVE_ONLY))
        return complete(irp, STATUS_INVALID_PARAMETER, 0);
    if (layer == LAYER_SOCKET && !(flags & FLAG_RECEIVE_ONLY)) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    h->layer = layer;
    h->priority = (LONG)priority - 30000;
    h->flags = flags;
    version[0] = magic_sys;
    ((ULONG *)version)[2] = 2;
    ((ULONG *)version)[3] = 2;
    ((ULONG *)version)[4] = 64;
    return complete(irp, STATUS_SUCCESS, 64);
}

/* startup puts the handle among the open ones, after those of its priority. */
static NTSTATUS startup(handle *h, IRP *irp)
{
    LIST_ENTRY *e;
    ULONG n;
    const UCHAR *filter = direct(irp, &n);
    if (h->started || !n || n % sizeof(instruction) || !known((const instruction *)filter, n / sizeof(instruction)))
        return complete(irp, STATUS_INVALID_PARAMETER, 0);
    if (!(h->filter = allocate(n))) return complete(irp, STATUS_NO_MEMORY, 0);
    copy(h->filter, filter, n);
    h->instructions = n / sizeof(instruction);
    ExAcquireFastMutex(&lock);
    for (e = handles.Flink; e != &handles; e = e->Flink)
        if (CONTAINING_RECORD(e, handle, entry)->priority < h->priority) break;
    InsertTailList(e, &h->entry);
    h->started = 1;
    ExReleaseFastMutex(&lock);
    return complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS receive(handle *h, IRP *irp, const ULONGLONG *message)
{
    SIZE_T done;
    ULONG room = ADDRESS;
    if (h->flags & FLAG_SEND_ONLY) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    /* The driver too takes the room for addresses when the request comes, not when it ends. */
    if (message[1] && !ReadProcessMemory(h->process, (void *)(ULONG_PTR)message[1], &room, sizeof room, &done)) room = 0;
    if (room < ADDRESS || room > BATCH * ADDRESS) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    irp->Tail.Overlay.DriverContext[0] = (void *)(ULONG_PTR)room;
    IoMarkIrpPending(irp);
    ExAcquireFastMutex(&lock);
    IoSetCancelRoutine(irp, cancel);
    InsertTailList(&h->requests, &irp->Tail.Overlay.ListEntry);
    serve(h);
    ExReleaseFastMutex(&lock);
    return STATUS_PENDING;
}

/* packet_length is what the packet's header says, 0 for none that fits n bytes. */
static ULONG packet_length(const UCHAR *b, ULONG n)
{
    ULONG length = 0;
    if (n >= 20 && b[0] >> 4 == 4) length = b[2] << 8 | b[3];
    if (n >= 40 && b[0] >> 4 == 6) length = 40 + (b[4] << 8 | b[5]);
    return length >= 20 && length <= n ? length : 0;
}

static NTSTATUS send(handle *h, IRP *irp, const ULONGLONG *message)
{
    ULONG n, length, used = 0, i, count = (ULONG)(message[1] / ADDRESS);
    UCHAR address[ADDRESS], *from = direct(irp, &n);
    SIZE_T done;
    if (h->layer > LAYER_FORWARD || (h->flags & FLAG_RECEIVE_ONLY)) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    if (h->shut & SHUT_SEND) return complete(irp, STATUS_PIPE_EMPTY, 0);
    if (!count || count > BATCH || !message[0]) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    for (i = 0; i < count; i++)
    {
        if (!(length = packet_length(from + used, n - used))) return complete(irp, STATUS_INVALID_PARAMETER, used);
        if (!ReadProcessMemory(h->process, (UCHAR *)(ULONG_PTR)message[0] + i * ADDRESS, address, ADDRESS, &done))
            return complete(irp, STATUS_ACCESS_VIOLATION, used);
        address[ADDRESS_LAYER] = (UCHAR)h->layer;
        ExAcquireFastMutex(&lock);
        deliver(address, from + used, length, h->priority);
        ExReleaseFastMutex(&lock);
        used += length;
    }
    return complete(irp, STATUS_SUCCESS, used);
}

static NTSTATUS set(handle *h, IRP *irp, const ULONGLONG *message)
{
    ULONG which = ((ULONG *)message)[2];
    if (which > QUEUE_SIZE || message[0] < least[which] || message[0] > most[which]) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    h->queue[which] = message[0];
    return complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS get(handle *h, IRP *irp, const ULONGLONG *message)
{
    ULONG n, which = ((ULONG *)message)[0];
    ULONGLONG *value = (ULONGLONG *)direct(irp, &n);
    if (n != sizeof *value || which > VERSION_MINOR) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    *value = which <= QUEUE_SIZE ? h->queue[which] : 2;
    return complete(irp, STATUS_SUCCESS, sizeof *value);
}

static NTSTATUS shut(handle *h, IRP *irp, const ULONGLONG *message)
{
    ULONG how = ((ULONG *)message)[0];
    if (how < SHUT_RECEIVE || how > (SHUT_RECEIVE | SHUT_SEND)) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    ExAcquireFastMutex(&lock);
    h->shut |= how;
    serve(h);
    ExReleaseFastMutex(&lock);
    return complete(irp, STATUS_SUCCESS, 0);
}

NTSTATUS request(IRP *irp, IO_STACK_LOCATION *at)
{
    handle *h = at->FileObject->FsContext;
    const ULONGLONG *message = irp->AssociatedIrp.SystemBuffer;
    ULONG code = at->Parameters.DeviceIoControl.IoControlCode;
    if (!h || at->Parameters.DeviceIoControl.InputBufferLength < 16) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    if (h->lost) return complete(irp, STATUS_DEVICE_NOT_CONNECTED, 0);
    if (code == DIVERT_INITIALIZE) return initialize(h, irp, message);
    if (code == DIVERT_STARTUP) return startup(h, irp);
    if (!h->started) return complete(irp, STATUS_INVALID_DEVICE_STATE, 0);
    switch (code)
    {
    case DIVERT_RECEIVE: return receive(h, irp, message);
    case DIVERT_SEND: return send(h, irp, message);
    case DIVERT_SET: return set(h, irp, message);
    case DIVERT_GET: return get(h, irp, message);
    case DIVERT_SHUTDOWN: return shut(h, irp, message);
    }
    return complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}
