/* fnv.h - FNV-1a, 64 bits: fingerprints and checksums that are the same on any machine. */
#ifndef BERTH_SCHEDULER_FNV_H
#define BERTH_SCHEDULER_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t fnv_bytes(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static inline uint64_t fnv_byte(uint64_t h, uint8_t byte)
{
    return fnv_bytes(h, &byte, 1);
}

static inline uint64_t fnv_u32(uint64_t h, uint32_t v) /* little-endian */
{
    for (int i = 0; i < 4; i++)
        h = fnv_byte(h, (uint8_t)(v >> (8 * i)));
    return h;
}

/* With the NUL, so that "ab" "c" and "a" "bc" differ; NULL is "". */
static inline uint64_t fnv_text(uint64_t h, const char *text)
{
    for (const char *p = text; p != NULL && *p != '\0'; p++)
        h = fnv_byte(h, (uint8_t)*p);
    return fnv_byte(h, 0);
}

#endif
