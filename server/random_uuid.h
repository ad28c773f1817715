/* random_uuid.h - a version 4 UUID. */
#ifndef BERTH_SERVER_RANDOM_UUID_H
#define BERTH_SERVER_RANDOM_UUID_H

#include <stdlib.h>
#include <sys/random.h>

#include "scheduler/uuid.h"

static inline struct uuid random_uuid(void)
{
    struct uuid u;
    if (getentropy(u.b, sizeof(u.b)) != 0)
        abort(); /* the kernel has no excuse */
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

#endif
