/* What a test asks of the stand-in. */
#include "standin.h"

static NTSTATUS inject(IRP *irp, UCHAR *buffer, ULONG in, ULONG out)
{
    ULONG n, used = 0, taken = 0;
    if (out < sizeof taken) return complete(irp, STATUS_INVALID_PARAMETER, 0);
    ExAcquireFastMutex(&lock);
    while (in - used >= RECORD)
    {
        copy(&n, buffer + used, sizeof n);
        if (n > in - used - RECORD) break;
        if (deliver(buffer + used + 4, buffer + used + RECORD, n, 0x7fffffff)) taken++;
        used += RECORD + n;
    }
    ExReleaseFastMutex(&lock);
    copy(buffer, &taken, sizeof taken);
    return complete(irp, STATUS_SUCCESS, sizeof taken);
}

static NTSTATUS drain(IRP *irp, UCHAR *buffer, ULONG out)
{
    ULONG used = 0;
    ExAcquireFastMutex(&lock);
    while (!IsListEmpty(&sent))
    {
        packet *p = CONTAINING_RECORD(sent.Flink, packet, entry);
        if (RECORD + p->length > out - used) break;
        copy(buffer + used, &p->length, 4);
        copy(buffer + used + 4, p->address, ADDRESS);
        copy(buffer + used + RECORD, p->data, p->length);
        used += RECORD + p->length;
        RemoveEntryList(&p->entry);
        release(p);
    }
    ExReleaseFastMutex(&lock);
    return complete(irp, STATUS_SUCCESS, used);
}

static ULONG count(LIST_ENTRY *list)
{
    ULONG n = 0;
    LIST_ENTRY *e;
    for (e = list->Flink; e != list; e = e->Flink) n++;
    return n;
}

static NTSTATUS list_handles(IRP *irp, UCHAR *buffer, ULONG out)
{
    ULONG used = 0, i;
    LIST_ENTRY *e;
    ExAcquireFastMutex(&lock);
    for (e = handles.Flink; e != &handles && out - used >= sizeof(information); e = e->Flink)
    {
        handle *h = CONTAINING_RECORD(e, handle, entry);
        information about = {h->layer, h->pid, (ULONG)h->flags, h->priority, count(&h->requests), count(&h->packets), h->shut, {0}};
        for (i = 0; i < 3; i++) about.queue[i] = (ULONG)h->queue[i];
        copy(buffer + used, &about, sizeof about);
        used += sizeof about;
    }
    ExReleaseFastMutex(&lock);
    return complete(irp, STATUS_SUCCESS, used);
}

static NTSTATUS lose(IRP *irp)
{
    LIST_ENTRY *e;
    ExAcquireFastMutex(&lock);
    for (e = handles.Flink; e != &handles; e = e->Flink)
    {
        handle *h = CONTAINING_RECORD(e, handle, entry);
        h->lost = 1;
        fail(h, STATUS_DEVICE_NOT_CONNECTED);
    }
    ExReleaseFastMutex(&lock);
    return complete(irp, STATUS_SUCCESS, 0);
}

NTSTATUS test_request(IRP *irp, IO_STACK_LOCATION *at)
{
    UCHAR *buffer = irp->AssociatedIrp.SystemBuffer;
    ULONG in = at->Parameters.DeviceIoControl.InputBufferLength, out = at->Parameters.DeviceIoControl.OutputBufferLength;
    switch (at->Parameters.DeviceIoControl.IoControlCode)
    {
    case STANDIN_INJECT: return inject(irp, buffer, in, out);
    case STANDIN_DRAIN: return drain(irp, buffer, out);
    case STANDIN_HANDLES: return list_handles(irp, buffer, out);
    case STANDIN_LOSE: return lose(irp);
    }
    return complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}
