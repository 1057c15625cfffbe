/*
 * bcryptprimitives.dll for tests in Wine 8, where Go's programs do not start:
 *   1. it exports ProcessPrng, which Go's runtime calls at its start and Wine 8 has not;
 *   2. it has WSAIoctl(SIO_UDP_NETRESET) succeed, which Wine 8 refuses and without which Go opens no UDP socket.
 *   3. it has NtSetInformationFile refuse a deletion that Wine 8 lacks in the words that Go knows, else os.RemoveAll
 *      fails for every file.
 *   4. it has DeviceIoControl offer WinDivert's driver no more room for a packet than what Wine can take through a pipe
 *      in one piece: Wine hands the room over too, and its server may stop a thread in the middle.
 *   5. it has NtCreateNamedPipeFile refuse to make a pipe that there is already, and leave a pipe unconnected that is made
 *      without rights to its data. go-winio relies on both, and Wine 8 does neither.
 * Go looks these up by their names, so the exports of these names are pointed here.
 * It belongs into system32 of a test's Wine prefix. Never shipped.
 */
#include <winsock2.h>
#include <windows.h>
#include <string.h>
#include <winternl.h>

#ifndef SIO_UDP_NETRESET
#define SIO_UDP_NETRESET _WSAIOW(IOC_VENDOR, 15)
#endif

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG n); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T n)
{
    while (n)
    {
        ULONG part = n > 0x10000 ? 0x10000 : (ULONG)n;
        if (!SystemFunction036(buffer, part)) return FALSE;
        buffer += part;
        n -= part;
    }
    return TRUE;
}

typedef int (WSAAPI *ioctl_function)(SOCKET, DWORD, void *, DWORD, void *, DWORD, DWORD *, WSAOVERLAPPED *,
                                     LPWSAOVERLAPPED_COMPLETION_ROUTINE);
static ioctl_function wine_ioctl;

static int WSAAPI ioctl_with_netreset(SOCKET s, DWORD code, void *in, DWORD in_n, void *out, DWORD out_n, DWORD *done,
                                      WSAOVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE completion)
{
    if (code != SIO_UDP_NETRESET) return wine_ioctl(s, code, in, in_n, out, out_n, done, overlapped, completion);
    if (done) *done = 0;
    WSASetLastError(0);
    return 0;
}

#define FILE_DISPOSITION_INFORMATION_EX 64
#define NOT_IMPLEMENTED ((NTSTATUS)0xC0000002)
#define NOT_SUPPORTED ((NTSTATUS)0xC00000BB)

typedef NTSTATUS (NTAPI *set_information_function)(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, ULONG);
static set_information_function wine_set_information;

static NTSTATUS NTAPI set_information_or_refuse(HANDLE file, IO_STATUS_BLOCK *status, void *information, ULONG n, ULONG class)
{
    NTSTATUS result = wine_set_information(file, status, information, n, class);
    return class == FILE_DISPOSITION_INFORMATION_EX && result == NOT_IMPLEMENTED ? NOT_SUPPORTED : result;
}

#define DIVERT_RECEIVE 0x12648e
#define MOST_ROOM 0xf000

typedef BOOL (WINAPI *device_function)(HANDLE, DWORD, void *, DWORD, void *, DWORD, DWORD *, OVERLAPPED *);
static device_function wine_device;

static BOOL WINAPI device_with_little_room(HANDLE device, DWORD code, void *in, DWORD in_n, void *out, DWORD out_n, DWORD *done,
                                           OVERLAPPED *overlapped)
{
    if (code == DIVERT_RECEIVE && out_n > MOST_ROOM) out_n = MOST_ROOM;
    return wine_device(device, code, in, in_n, out, out_n, done, overlapped);
}

#define FILE_CREATE_DISPOSITION 2
#define ACCESS_DENIED ((NTSTATUS)0xC0000022)

typedef NTSTATUS (NTAPI *create_pipe_function)(HANDLE *, ULONG, OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *, ULONG, ULONG, ULONG, ULONG,
                                               ULONG, ULONG, ULONG, ULONG, ULONG, LARGE_INTEGER *);
static create_pipe_function wine_create_pipe;

static NTSTATUS NTAPI create_pipe_once(HANDLE *pipe, ULONG access, OBJECT_ATTRIBUTES *object, IO_STATUS_BLOCK *status, ULONG share,
                                       ULONG disposition, ULONG options, ULONG type, ULONG mode, ULONG completion, ULONG most,
                                       ULONG in, ULONG out, LARGE_INTEGER *patience)
{
    WCHAR name[512];
    ULONG n = object->ObjectName->Length / sizeof *name;
    HANDLE client;
    NTSTATUS result;
    int first = disposition == FILE_CREATE_DISPOSITION && n > 4 && n < sizeof name / sizeof *name;
    if (first)
    {
        memcpy(name, object->ObjectName->Buffer, n * sizeof *name);
        name[n] = 0;
        memcpy(name, L"\\\\.\\", 4 * sizeof *name); /* in the place of \??\ */
        if (WaitNamedPipeW(name, 1) || GetLastError() != ERROR_FILE_NOT_FOUND) return ACCESS_DENIED;
    }
    result = wine_create_pipe(pipe, access, object, status, share, disposition, options, type, mode, completion, most, in, out, patience);
    if (first && !result && access == SYNCHRONIZE)
    {
        /* A pipe whose client has gone takes no other one. */
        client = CreateFileW(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
        if (client != INVALID_HANDLE_VALUE) CloseHandle(client);
    }
    return result;
}

/* An export is a 32-bit offset from its module: the jump to our function must lie near. */
static BYTE *jump_near(BYTE *module, SIZE_T size, void *target)
{
    ULONG_PTR at = ((ULONG_PTR)module + size + 0xffff) & ~(ULONG_PTR)0xffff, end = (ULONG_PTR)module + 0x7fff0000;
    BYTE *jump = NULL;
    for (; !jump && at < end; at += 0x10000)
        jump = VirtualAlloc((void *)at, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    if (!jump) return NULL;
    memcpy(jump, "\xff\x25\0\0\0\0", 6); /* jmp [rip+0] */
    memcpy(jump + 6, &target, sizeof target);
    return jump;
}

static void redirect_export(const char *dll, const char *name, void *target, void **original)
{
    BYTE *module = (BYTE *)LoadLibraryA(dll);
    IMAGE_NT_HEADERS *headers = (IMAGE_NT_HEADERS *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
    IMAGE_EXPORT_DIRECTORY *exports = (IMAGE_EXPORT_DIRECTORY *)(module + headers->OptionalHeader.DataDirectory[0].VirtualAddress);
    DWORD *names = (DWORD *)(module + exports->AddressOfNames), *functions = (DWORD *)(module + exports->AddressOfFunctions);
    WORD *ordinals = (WORD *)(module + exports->AddressOfNameOrdinals);
    DWORD i, protection;
    BYTE *jump;
    for (i = 0; i < exports->NumberOfNames; i++)
    {
        DWORD *function = &functions[ordinals[i]];
        if (strcmp((char *)module + names[i], name)) continue;
        if (!(jump = jump_near(module, headers->OptionalHeader.SizeOfImage, target))) return;
        *original = module + *function;
        if (!VirtualProtect(function, sizeof *function, PAGE_READWRITE, &protection)) return;
        *function = (DWORD)(jump - module);
        VirtualProtect(function, sizeof *function, protection, &protection);
        return;
    }
}

BOOL WINAPI DllMain(HINSTANCE dll, DWORD reason, LPVOID reserved)
{
    (void)dll, (void)reserved;
    if (reason != DLL_PROCESS_ATTACH) return TRUE;
    redirect_export("ws2_32.dll", "WSAIoctl", (void *)ioctl_with_netreset, (void **)&wine_ioctl);
    redirect_export("kernel32.dll", "DeviceIoControl", (void *)device_with_little_room, (void **)&wine_device);
    redirect_export("ntdll.dll", "NtSetInformationFile", (void *)set_information_or_refuse, (void **)&wine_set_information);
    redirect_export("ntdll.dll", "NtCreateNamedPipeFile", (void *)create_pipe_once, (void **)&wine_create_pipe);
    return TRUE;
}
