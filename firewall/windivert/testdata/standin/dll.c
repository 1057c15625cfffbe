/*
 * A stand-in for WinDivert.dll, for tests in Wine with the stand-in driver: the
 * two functions that divert-go calls. It compiles no filters. Never shipped.
 */
#include <windows.h>
#include <string.h>
#include <winioctl.h>

#define DIVERT_INITIALIZE CTL_CODE(FILE_DEVICE_NETWORK, 0x921, METHOD_OUT_DIRECT, FILE_READ_DATA | FILE_WRITE_DATA)
#define DIVERT_STARTUP    CTL_CODE(FILE_DEVICE_NETWORK, 0x922, METHOD_IN_DIRECT, FILE_READ_DATA | FILE_WRITE_DATA)

static DWORD ask(HANDLE handle, DWORD code, void *message, void *buffer, DWORD n)
{
    DWORD done, err = ERROR_SUCCESS;
    OVERLAPPED overlapped = {0};
    if (!(overlapped.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL))) return GetLastError();
    if (!DeviceIoControl(handle, code, message, 16, buffer, n, NULL, &overlapped) && GetLastError() != ERROR_IO_PENDING)
        err = GetLastError();
    else if (!GetOverlappedResult(handle, &overlapped, &done, TRUE))
        err = GetLastError();
    CloseHandle(overlapped.hEvent);
    return err;
}

__declspec(dllexport) HANDLE WinDivertOpen(const char *filter, int layer, INT16 priority, UINT64 flags)
{
    struct { UINT32 layer, priority; UINT64 flags; } initialize = {layer, priority + 30000, flags};
    struct { UINT64 flags, reserved; } startup = {0};
    struct { UINT64 magic; UINT32 major, minor, bits, reserved[11]; } version = {0x4C4C447669645724ull, 2, 2, 64, {0}};
    HANDLE handle = CreateFileA("\\\\.\\WinDivert", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    DWORD err;
    if (handle == INVALID_HANDLE_VALUE) return handle;
    err = ask(handle, DIVERT_INITIALIZE, &initialize, &version, sizeof version);
    if (!err && version.magic != 0x5359537669645723ull) err = 654; /* ERROR_DRIVER_FAILED_PRIOR_UNLOAD */
    if (!err) err = ask(handle, DIVERT_STARTUP, &startup, (void *)filter, strlen(filter) + 1);
    if (!err) return handle;
    CloseHandle(handle);
    SetLastError(err);
    return INVALID_HANDLE_VALUE;
}

/* divert-go looks it up, and nothing of ours calls it: the driver computes checksums. */
__declspec(dllexport) BOOL WinDivertHelperCalcChecksums(void *packet, UINT n, void *address, UINT64 flags)
{
    (void)packet, (void)n, (void)address, (void)flags;
    SetLastError(ERROR_CALL_NOT_IMPLEMENTED);
    return FALSE;
}
