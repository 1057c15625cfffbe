/* Filters, as WinDivert's library compiles them: of their fields those that a firewall needs. */
#include "standin.h"

enum {
    FIELD_ZERO = 0, FIELD_INBOUND = 1, FIELD_OUTBOUND = 2, FIELD_IP = 5, FIELD_IPV6 = 6, FIELD_ICMP = 7, FIELD_TCP = 8,
    FIELD_UDP = 9, FIELD_ICMPV6 = 10, FIELD_IP_SOURCE = 21, FIELD_IP_TARGET = 22, FIELD_IPV6_SOURCE = 28,
    FIELD_IPV6_TARGET = 29, FIELD_TCP_SOURCE = 38, FIELD_TCP_TARGET = 39, FIELD_TCP_ACK = 44, FIELD_TCP_RST = 46,
    FIELD_TCP_SYN = 47, FIELD_TCP_FIN = 48, FIELD_UDP_SOURCE = 53, FIELD_UDP_TARGET = 54, FIELD_LOOPBACK = 58,
    FIELD_IMPOSTOR = 59, FIELD_PROCESS = 60, FIELD_EVENT = 70, FIELD_FRAGMENT = 85
};
enum { TEST_EQUAL, TEST_UNEQUAL, TEST_LESS, TEST_LESS_EQUAL, TEST_GREATER, TEST_GREATER_EQUAL };
enum { ACCEPT = 0x7ffe };
enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

/* What a filter looks at. */
typedef struct {
    const UCHAR *address, *ip, *transport; /* transport: NULL unless the whole header is there */
    ULONG version, protocol;               /* 0 if it is no packet */
    int fragment;
} view;

static ULONG number(const UCHAR *b, ULONG n)
{
    ULONG v = 0;
    while (n--) v = v << 8 | *b++;
    return v;
}

static view look(const UCHAR *address, const UCHAR *b, ULONG n)
{
    view v = {address, b, NULL, 0, 0, 0};
    ULONG header = 0, offset = 0, transport;
    if (address[ADDRESS_LAYER] > LAYER_FORWARD) return v;
    if (n >= 20 && b[0] >> 4 == 4)
    {
        v.version = 4;
        header = (b[0] & 15) * 4;
        v.protocol = b[9];
        v.fragment = (number(b + 6, 2) & 0x3fff) != 0;
        offset = number(b + 6, 2) & 0x1fff;
    }
    if (n >= 40 && b[0] >> 4 == 6)
    {
        v.version = 6;
        header = 40;
        v.protocol = b[6];
        if (v.protocol == 44 && n >= 48)
        {
            v.fragment = 1;
            v.protocol = b[40];
            offset = number(b + 42, 2) >> 3;
            header = 48;
        }
    }
    transport = v.protocol == TCP ? 20 : v.protocol == ICMPV6 ? 4 : 8;
    if (v.version && !offset && header + transport <= n) v.transport = b + header;
    return v;
}

static int has(const view *v, ULONG protocol)
{
    return v->transport && v->protocol == protocol;
}

/* fill_value reads a field, the lowest part first. It tells whether there is such a field here. */
static int fill_value(const view *v, ULONG field, ULONG *value)
{
    ULONG flags = v->address[10], i;
    const UCHAR *t = v->transport;
    value[0] = value[1] = value[2] = value[3] = 0;
    switch (field)
    {
    case FIELD_ZERO: return 1;
    case FIELD_OUTBOUND: value[0] = flags >> 1 & 1; return 1;
    case FIELD_INBOUND: value[0] = !(flags & 2); return 1;
    case FIELD_LOOPBACK: value[0] = flags >> 2 & 1; return 1;
    case FIELD_IMPOSTOR: value[0] = flags >> 3 & 1; return 1;
    case FIELD_EVENT: value[0] = v->address[9]; return 1;
    case FIELD_PROCESS: copy(value, v->address + 32, 4); return 1;
    case FIELD_FRAGMENT: value[0] = v->fragment; return 1;
    case FIELD_IP: value[0] = v->version == 4; return 1;
    case FIELD_IPV6: value[0] = v->version == 6; return 1;
    case FIELD_TCP: value[0] = has(v, TCP); return 1;
    case FIELD_UDP: value[0] = has(v, UDP); return 1;
    case FIELD_ICMP: value[0] = has(v, ICMP); return 1;
    case FIELD_ICMPV6: value[0] = has(v, ICMPV6); return 1;
    case FIELD_IP_SOURCE: case FIELD_IP_TARGET:
        if (v->version != 4) return 0;
        value[1] = 0xffff;
        value[0] = number(v->ip + (field == FIELD_IP_SOURCE ? 12 : 16), 4);
        return 1;
    case FIELD_IPV6_SOURCE: case FIELD_IPV6_TARGET:
        if (v->version != 6) return 0;
        for (i = 0; i < 4; i++) value[3 - i] = number(v->ip + (field == FIELD_IPV6_SOURCE ? 8 : 24) + 4 * i, 4);
        return 1;
    case FIELD_TCP_SOURCE: case FIELD_TCP_TARGET:
        if (has(v, TCP)) value[0] = number(t + (field == FIELD_TCP_SOURCE ? 0 : 2), 2);
        return has(v, TCP);
    case FIELD_TCP_FIN: case FIELD_TCP_SYN: case FIELD_TCP_RST: case FIELD_TCP_ACK:
        if (has(v, TCP)) value[0] = (t[13] & (field == FIELD_TCP_FIN ? 1 : field == FIELD_TCP_SYN ? 2 : field == FIELD_TCP_RST ? 4 : 16)) != 0;
        return has(v, TCP);
    case FIELD_UDP_SOURCE: case FIELD_UDP_TARGET:
        if (has(v, UDP)) value[0] = number(t + (field == FIELD_UDP_SOURCE ? 0 : 2), 2);
        return has(v, UDP);
    }
    return 0;
}

/* known tells whether a filter has only fields that are read here. */
int known(const instruction *filter, ULONG n)
{
    static const UCHAR fields[] = {
        FIELD_ZERO, FIELD_INBOUND, FIELD_OUTBOUND, FIELD_IP, FIELD_IPV6, FIELD_ICMP, FIELD_TCP, FIELD_UDP, FIELD_ICMPV6,
        FIELD_IP_SOURCE, FIELD_IP_TARGET, FIELD_IPV6_SOURCE, FIELD_IPV6_TARGET, FIELD_TCP_SOURCE, FIELD_TCP_TARGET,
        FIELD_TCP_ACK, FIELD_TCP_RST, FIELD_TCP_SYN, FIELD_TCP_FIN, FIELD_UDP_SOURCE, FIELD_UDP_TARGET, FIELD_LOOPBACK,
        FIELD_IMPOSTOR, FIELD_PROCESS, FIELD_EVENT, FIELD_FRAGMENT
    };
    ULONG i, f;
    for (i = 0; i < n; i++)
    {
        for (f = 0; f < sizeof fields && fields[f] != filter[i].field; f++) {}
        if (f == sizeof fields) return 0;
    }
    return n > 0;
}

static int holds(const instruction *i, const ULONG *value)
{
    int word, order = 0;
    for (word = 3; word >= 0 && !order; word--) order = value[word] < i->argument[word] ? -1 : value[word] > i->argument[word];
    switch (i->test)
    {
    case TEST_EQUAL: return order == 0;
    case TEST_UNEQUAL: return order != 0;
    case TEST_LESS: return order < 0;
    case TEST_LESS_EQUAL: return order <= 0;
    case TEST_GREATER: return order > 0;
    case TEST_GREATER_EQUAL: return order >= 0;
    }
    return 0;
}

/* matches runs a filter. An instruction leads to later ones only, so that this ends. */
int matches(const instruction *filter, ULONG n, const UCHAR *address, const UCHAR *data, ULONG length)
{
    view v = look(address, data, length);
    ULONG value[4], at = 0, next;
    for (;;)
    {
        const instruction *i = &filter[at];
        next = fill_value(&v, i->field, value) && holds(i, value) ? i->success : i->failure;
        if (next <= at || next >= n) return next == ACCEPT;
        at = next;
    }
}
