/* The driver's entry, its two devices, and what the other files share. */
#include "standin.h"

LIST_ENTRY handles, sent;
FAST_MUTEX lock;
DEVICE_OBJECT *control;

NTSTATUS complete(IRP *irp, NTSTATUS status, ULONG_PTR n)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = n;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

void *allocate(SIZE_T n)
{
    return HeapAlloc(GetProcessHeap(), 8 /* HEAP_ZERO_MEMORY */, n);
}

void release(void *memory)
{
    if (memory) HeapFree(GetProcessHeap(), 0, memory);
}

void copy(void *to, const void *from, SIZE_T n)
{
    UCHAR *t = to;
    const UCHAR *f = from;
    while (n--) *t++ = *f++;
}

/* direct is the caller's buffer of a request with direct access. */
UCHAR *direct(IRP *irp, ULONG *n)
{
    *n = 0;
    if (!irp->MdlAddress) return NULL;
    *n = MmGetMdlByteCount(irp->MdlAddress);
    return MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority);
}

static NTSTATUS NTAPI on_create(DEVICE_OBJECT *device, IRP *irp)
{
    return device == control ? complete(irp, STATUS_SUCCESS, 0) : open_handle(irp, IoGetCurrentIrpStackLocation(irp));
}

static NTSTATUS NTAPI on_close(DEVICE_OBJECT *device, IRP *irp)
{
    return device == control ? complete(irp, STATUS_SUCCESS, 0) : close_handle(irp, IoGetCurrentIrpStackLocation(irp));
}

static NTSTATUS NTAPI on_request(DEVICE_OBJECT *device, IRP *irp)
{
    IO_STACK_LOCATION *at = IoGetCurrentIrpStackLocation(irp);
    return device == control ? test_request(irp, at) : request(irp, at);
}

static NTSTATUS add_device(DRIVER_OBJECT *driver, const WCHAR *name, const WCHAR *link, DEVICE_OBJECT **device)
{
    UNICODE_STRING n, l;
    NTSTATUS status;
    RtlInitUnicodeString(&n, name);
    RtlInitUnicodeString(&l, link);
    if ((status = IoCreateDevice(driver, 0, &n, FILE_DEVICE_NETWORK, 0, FALSE, device))) return status;
    if ((status = IoCreateSymbolicLink(&l, &n))) return status;
    (*device)->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static void NTAPI on_unload(DRIVER_OBJECT *driver)
{
    UNICODE_STRING link;
    RtlInitUnicodeString(&link, L"\\??\\WinDivert");
    IoDeleteSymbolicLink(&link);
    RtlInitUnicodeString(&link, L"\\??\\WinDivertStandIn");
    IoDeleteSymbolicLink(&link);
    while (driver->DeviceObject) IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
    DEVICE_OBJECT *device;
    NTSTATUS status;
    /* Because kernel32 is linked, Wine first calls this as DllMain, whose second argument is a small number. */
    if ((ULONG_PTR)path <= 3) return 1;
    InitializeListHead(&handles);
    InitializeListHead(&sent);
    ExInitializeFastMutex(&lock);
    driver->MajorFunction[IRP_MJ_CREATE] = on_create;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_request;
    driver->DriverUnload = on_unload;
    if ((status = add_device(driver, L"\\Device\\WinDivertStandIn", L"\\??\\WinDivertStandIn", &control))) return status;
    return add_device(driver, L"\\Device\\WinDivert", L"\\??\\WinDivert", &device);
}
