/*
 * A stand-in for fwpuclnt.dll, the Windows Filtering Platform's library, for tests in Wine, whose own opens no engine.
 * It keeps what is added in the memory of one process, refuses what the platform refuses, and filters nothing.
 * StandInCount and StandInFilter let a test read what is in force.
 */
#include <windows.h>
#include <fwpmtypes.h>
#include <rpc.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <winerror.h>

#define EXPORT __declspec(dllexport)
#define MOST 512
/* FWPM_SESSION_FLAG_DYNAMIC, FWPM_{PROVIDER,SUBLAYER,FILTER}_FLAG_PERSISTENT (fwpmtypes.h of Windows's own headers) */
#define DYNAMIC 1
#define PERSISTENT 1

enum kind { NOTHING, PROVIDER, SUBLAYER, FILTER };

/* What an object is; of a filter, also what it says. */
struct object {
    enum kind kind;
    GUID key, provider, sublayer, layer;
    UINT32 flags, action, conditions;
    UINT64 weight;
    struct session *owner; /* of what ends with its session, NULL for the rest */
};

struct session {
    BOOL dynamic;
};

struct list {
    int next;
};

static struct object objects[MOST];

static const GUID connect_v4 = {0xc38d57d1, 0x05a7, 0x4c33, {0x90, 0x4f, 0x7f, 0xbc, 0xee, 0xe6, 0x0e, 0x82}};
static const GUID connect_v6 = {0x4a72393b, 0x319f, 0x44bc, {0x84, 0xc3, 0xba, 0x54, 0xdc, 0xb3, 0xb6, 0xb4}};
static GUID app_id = {0xd78e1e87, 0x8644, 0x4ea5, {0x94, 0x37, 0xd8, 0x09, 0xec, 0xef, 0xc9, 0x71}};
static GUID flags = {0x632ce23b, 0x5167, 0x435c, {0x86, 0xd7, 0xe9, 0x03, 0x68, 0x4a, 0xa8, 0x0c}};
static GUID protocol = {0x3971ef2b, 0x623e, 0x4f9a, {0x8c, 0xb1, 0x6e, 0x79, 0xb8, 0x06, 0xb9, 0xa7}};
static GUID remote = {0xb235ae9a, 0x1d64, 0x49b8, {0xa4, 0x4c, 0x5f, 0xf3, 0xd9, 0x09, 0x50, 0x45}};
static GUID local_port = {0x0c1ba1af, 0x5765, 0x453f, {0xaf, 0x22, 0xa8, 0xf7, 0x91, 0xac, 0x77, 0x5b}};
static GUID remote_port = {0xc35a604d, 0xd22b, 0x4e1a, {0x91, 0xb4, 0x68, 0xf6, 0x74, 0xee, 0x67, 0x4b}};

static BOOL same(const GUID *a, const GUID *b) { return !memcmp(a, b, sizeof *a); }

static struct object *find(enum kind kind, const GUID *key)
{
    for (int i = 0; i < MOST; i++)
        if (objects[i].kind == kind && same(&objects[i].key, key)) return &objects[i];
    return NULL;
}

/* add makes an object, unless there is one; persistent objects are not for dynamic sessions. */
static DWORD add(struct session *s, enum kind kind, const GUID *key, BOOL persistent, struct object **made)
{
    if (find(kind, key)) return FWP_E_ALREADY_EXISTS;
    if (persistent && s->dynamic) return FWP_E_LIFETIME_MISMATCH;
    for (int i = 0; i < MOST; i++)
        if (objects[i].kind == NOTHING) {
            objects[i] = (struct object){.kind = kind, .key = *key, .owner = s->dynamic ? s : NULL};
            *made = &objects[i];
            return ERROR_SUCCESS;
        }
    return ERROR_NOT_ENOUGH_MEMORY;
}

static DWORD drop(struct session *s, enum kind kind, const GUID *key, DWORD absent)
{
    struct object *o = find(kind, key);
    if (!o) return absent;
    if (o->owner && o->owner != s) return FWP_E_WRONG_SESSION;
    for (int i = 0; i < MOST; i++) {
        const struct object *user = &objects[i];
        if (user->kind == FILTER && kind == SUBLAYER && same(&user->sublayer, key)) return FWP_E_IN_USE;
        if (user->kind != NOTHING && kind == PROVIDER && same(&user->provider, key)) return FWP_E_IN_USE;
    }
    o->kind = NOTHING;
    return ERROR_SUCCESS;
}

EXPORT DWORD WINAPI FwpmEngineOpen0(const wchar_t *server, UINT32 authentication, void *identity, const FWPM_SESSION0 *wanted, HANDLE *engine)
{
    struct session *s;
    if (server || authentication != RPC_C_AUTHN_WINNT || identity) return ERROR_INVALID_PARAMETER;
    if (!(s = calloc(1, sizeof *s))) return ERROR_NOT_ENOUGH_MEMORY;
    s->dynamic = wanted && wanted->flags & DYNAMIC;
    *engine = s;
    return ERROR_SUCCESS;
}

EXPORT DWORD WINAPI FwpmEngineClose0(HANDLE engine)
{
    for (int i = 0; i < MOST; i++)
        if (objects[i].owner == engine) objects[i] = (struct object){0};
    free(engine);
    return ERROR_SUCCESS;
}

EXPORT void WINAPI FwpmFreeMemory0(void **p)
{
    free(*p);
    *p = NULL;
}

static DWORD begin(HANDLE *list) { return (*list = calloc(1, sizeof(struct list))) ? ERROR_SUCCESS : ERROR_NOT_ENOUGH_MEMORY; }
static DWORD end(HANDLE list)
{
    free(list);
    return ERROR_SUCCESS;
}

EXPORT DWORD WINAPI FwpmLayerCreateEnumHandle0(HANDLE engine, const void *template, HANDLE *list) { (void)engine, (void)template; return begin(list); }
EXPORT DWORD WINAPI FwpmLayerDestroyEnumHandle0(HANDLE engine, HANDLE list) { (void)engine; return end(list); }
EXPORT DWORD WINAPI FwpmLayerEnum0(HANDLE engine, HANDLE list, UINT32 most, FWPM_LAYER0 ***entries, UINT32 *count)
{
    static FWPM_FIELD0 fields[2][6];
    static FWPM_LAYER0 layers[2];
    (void)engine, (void)most;
    *entries = NULL, *count = 0;
    if (((struct list *)list)->next++) return ERROR_SUCCESS;
    for (int v6 = 0; v6 < 2; v6++) {
        const FWPM_FIELD0 all[] = {
            {&app_id, FWPM_FIELD_RAW_DATA, FWP_BYTE_BLOB_TYPE}, {&flags, FWPM_FIELD_FLAGS, FWP_UINT32},
            {&protocol, FWPM_FIELD_RAW_DATA, FWP_UINT8},        {&remote, FWPM_FIELD_IP_ADDRESS, v6 ? FWP_BYTE_ARRAY16_TYPE : FWP_UINT32},
            {&local_port, FWPM_FIELD_RAW_DATA, FWP_UINT16},     {&remote_port, FWPM_FIELD_RAW_DATA, FWP_UINT16},
        };
        memcpy(fields[v6], all, sizeof all);
        layers[v6] = (FWPM_LAYER0){.layerKey = v6 ? connect_v6 : connect_v4, .displayData = {L"connect", L""}, .numFields = 6, .field = fields[v6]};
    }
    if (!(*entries = malloc(2 * sizeof **entries))) return ERROR_NOT_ENOUGH_MEMORY;
    (*entries)[0] = &layers[0], (*entries)[1] = &layers[1], *count = 2;
    return ERROR_SUCCESS;
}

EXPORT DWORD WINAPI FwpmProviderAdd0(HANDLE engine, const FWPM_PROVIDER0 *p, void *access)
{
    struct object *o;
    (void)access;
    return add(engine, PROVIDER, &p->providerKey, p->flags & PERSISTENT, &o);
}
EXPORT DWORD WINAPI FwpmProviderDeleteByKey0(HANDLE engine, const GUID *key) { return drop(engine, PROVIDER, key, FWP_E_PROVIDER_NOT_FOUND); }

EXPORT DWORD WINAPI FwpmSubLayerAdd0(HANDLE engine, const FWPM_SUBLAYER0 *l, void *access)
{
    struct object *o;
    DWORD failed;
    (void)access;
    if (l->providerKey && !find(PROVIDER, l->providerKey)) return FWP_E_PROVIDER_NOT_FOUND;
    failed = add(engine, SUBLAYER, &l->subLayerKey, l->flags & PERSISTENT, &o);
    if (!failed && l->providerKey) o->provider = *l->providerKey;
    return failed;
}
EXPORT DWORD WINAPI FwpmSubLayerDeleteByKey0(HANDLE engine, const GUID *key) { return drop(engine, SUBLAYER, key, FWP_E_SUBLAYER_NOT_FOUND); }

EXPORT DWORD WINAPI FwpmFilterAdd0(HANDLE engine, const FWPM_FILTER0 *f, void *access, UINT64 *id)
{
    struct object *o;
    DWORD failed;
    (void)access, (void)id;
    if (!find(SUBLAYER, &f->subLayerKey)) return FWP_E_SUBLAYER_NOT_FOUND;
    if (f->providerKey && !find(PROVIDER, f->providerKey)) return FWP_E_PROVIDER_NOT_FOUND;
    if (!same(&f->layerKey, &connect_v4) && !same(&f->layerKey, &connect_v6)) return FWP_E_LAYER_NOT_FOUND;
    if (f->weight.type != FWP_UINT64) return FWP_E_INVALID_WEIGHT;
    failed = add(engine, FILTER, &f->filterKey, f->flags & PERSISTENT, &o);
    if (failed) return failed;
    o->sublayer = f->subLayerKey, o->layer = f->layerKey, o->flags = f->flags, o->action = f->action.type;
    o->conditions = f->numFilterConditions, o->weight = *f->weight.uint64;
    if (f->providerKey) o->provider = *f->providerKey;
    return ERROR_SUCCESS;
}
EXPORT DWORD WINAPI FwpmFilterDeleteByKey0(HANDLE engine, const GUID *key) { return drop(engine, FILTER, key, FWP_E_FILTER_NOT_FOUND); }

EXPORT DWORD WINAPI FwpmFilterCreateEnumHandle0(HANDLE engine, const void *template, HANDLE *list) { (void)engine, (void)template; return begin(list); }
EXPORT DWORD WINAPI FwpmFilterDestroyEnumHandle0(HANDLE engine, HANDLE list) { (void)engine; return end(list); }
EXPORT DWORD WINAPI FwpmFilterEnum0(HANDLE engine, HANDLE list, UINT32 most, FWPM_FILTER0 ***entries, UINT32 *count)
{
    struct list *l = list;
    FWPM_FILTER0 *filters;
    (void)engine;
    *count = 0;
    /* one piece of memory, so that freeing it once frees all */
    if (!(*entries = calloc(most, sizeof **entries + sizeof *filters))) return ERROR_NOT_ENOUGH_MEMORY;
    filters = (FWPM_FILTER0 *)(*entries + most);
    for (; l->next < MOST && *count < most; l->next++) {
        struct object *o = &objects[l->next];
        if (o->kind != FILTER) continue;
        filters[*count] = (FWPM_FILTER0){.filterKey = o->key, .flags = o->flags, .providerKey = &o->provider, .layerKey = o->layer, .subLayerKey = o->sublayer};
        (*entries)[*count] = &filters[*count];
        ++*count;
    }
    return ERROR_SUCCESS;
}

EXPORT DWORD WINAPI FwpmGetAppIdFromFileName0(const wchar_t *file, FWP_BYTE_BLOB **id)
{
    static const wchar_t device[] = L"\\device\\harddiskvolume1";
    size_t length;
    wchar_t *name;
    if (GetFileAttributesW(file) == INVALID_FILE_ATTRIBUTES) return ERROR_FILE_NOT_FOUND;
    length = wcslen(device) + wcslen(file) + 1;
    if (!(*id = malloc(sizeof **id + length * sizeof *name))) return ERROR_NOT_ENOUGH_MEMORY;
    name = (wchar_t *)(*id + 1);
    wcscpy(name, device);
    wcscat(name, file + 2);
    CharLowerW(name);
    (*id)->data = (UINT8 *)name, (*id)->size = (wcslen(name) + 1) * sizeof *name;
    return ERROR_SUCCESS;
}

/* StandInCount is how many objects there are. */
EXPORT UINT32 WINAPI StandInCount(void)
{
    UINT32 n = 0;
    for (int i = 0; i < MOST; i++) n += objects[i].kind != NOTHING;
    return n;
}

/* StandInFilter tells of the filter with a key; FALSE if there is none. */
EXPORT BOOL WINAPI StandInFilter(const GUID *key, UINT32 *action, UINT32 *bits, UINT32 *conditions, UINT64 *weight)
{
    const struct object *o = find(FILTER, key);
    if (!o) return FALSE;
    *action = o->action, *bits = o->flags, *conditions = o->conditions, *weight = o->weight;
    return TRUE;
}
