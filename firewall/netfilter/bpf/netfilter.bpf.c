// SPDX-License-Identifier: GPL-3.0-or-later
/* The kernel side of the Linux backend: hooks attribute sockets to programs
 * and apply what the engine decided before; see doc.go. */
#include "socket.h"
#include "traffic.h"
#include "arrival.h"

char LICENSE[] SEC("license") = "GPL";
