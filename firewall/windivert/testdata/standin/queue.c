/* Packets on their way from handle to handle, and to the requests that wait for them. */
#include "standin.h"

static packet *new_packet(const UCHAR *address, const UCHAR *data, ULONG n)
{
    packet *p = allocate(sizeof *p + n);
    if (!p) return NULL;
    p->length = n;
    copy(p->address, address, ADDRESS);
    copy(p->data, data, n);
    return p;
}

/*
 * deliver takes a packet to the handles whose filter it matches, with a priority
 * below the given one, highest first: those that sniff get a copy, one that drops or
 * diverts keeps it. A packet that nobody keeps leaves. It tells how many handles
 * met it.
 */
int deliver(const UCHAR *address, const UCHAR *data, ULONG n, LONG below)
{
    int met = 0;
    LIST_ENTRY *e;
    packet *p;
    for (e = handles.Flink; e != &handles; e = e->Flink)
    {
        handle *h = CONTAINING_RECORD(e, handle, entry);
        if (h->layer != address[ADDRESS_LAYER] || h->priority >= below) continue;
        if (h->lost || (h->flags & FLAG_SEND_ONLY) || (h->shut & SHUT_RECEIVE)) continue;
        if (!matches(h->filter, h->instructions, address, data, n)) continue;
        met++;
        if (h->flags & FLAG_DROP) return met;
        if (!(p = new_packet(address, data, n))) return met;
        InsertTailList(&h->packets, &p->entry);
        serve(h);
        if (!(h->flags & FLAG_SNIFF)) return met;
    }
    if (address[ADDRESS_LAYER] <= LAYER_FORWARD && (p = new_packet(address, data, n))) InsertTailList(&sent, &p->entry);
    return met;
}

/* next takes the oldest waiting request that is not being cancelled. */
static IRP *next(handle *h)
{
    while (!IsListEmpty(&h->requests))
    {
        IRP *irp = CONTAINING_RECORD(RemoveHeadList(&h->requests), IRP, Tail.Overlay.ListEntry);
        if (IoSetCancelRoutine(irp, NULL)) return irp;
        InitializeListHead(&irp->Tail.Overlay.ListEntry); /* cancel() takes it off a list too */
    }
    return NULL;
}

/* fill hands queued packets to one request, as many as it has room for. */
static void fill(handle *h, IRP *irp)
{
    ULONGLONG *message = irp->AssociatedIrp.SystemBuffer;
    ULONG room, n, used = 0, addresses = 0, most = (ULONG)(ULONG_PTR)irp->Tail.Overlay.DriverContext[0];
    UCHAR *to = direct(irp, &room);
    NTSTATUS status = STATUS_SUCCESS;
    SIZE_T done;
    while (!IsListEmpty(&h->packets) && addresses + ADDRESS <= most)
    {
        packet *p = CONTAINING_RECORD(h->packets.Flink, packet, entry);
        n = h->layer <= LAYER_FORWARD ? p->length : 0; /* events carry no bytes */
        if (n > room - used)
        {
            if (addresses) break;
            n = room;
            status = STATUS_BUFFER_TOO_SMALL;
        }
        copy(to + used, p->data, n);
        used += n;
        if (message[0]) WriteProcessMemory(h->process, (UCHAR *)(ULONG_PTR)message[0] + addresses, p->address, ADDRESS, &done);
        addresses += ADDRESS;
        RemoveEntryList(&p->entry);
        release(p);
    }
    if (message[1]) WriteProcessMemory(h->process, (void *)(ULONG_PTR)message[1], &addresses, sizeof addresses, &done);
    complete(irp, status, used);
}

/* serve answers the waiting requests that can be answered. */
void serve(handle *h)
{
    IRP *irp;
    while (!IsListEmpty(&h->packets) && (irp = next(h))) fill(h, irp);
    if (IsListEmpty(&h->packets) && (h->shut & SHUT_RECEIVE)) fail(h, STATUS_PIPE_EMPTY);
}

/* fail ends all waiting requests. */
void fail(handle *h, NTSTATUS status)
{
    IRP *irp;
    while ((irp = next(h))) complete(irp, status, 0);
}

void NTAPI cancel(DEVICE_OBJECT *device, IRP *irp)
{
    (void)device;
    IoReleaseCancelSpinLock(irp->CancelIrql);
    ExAcquireFastMutex(&lock);
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    ExReleaseFastMutex(&lock);
    complete(irp, STATUS_CANCELLED, 0);
}
