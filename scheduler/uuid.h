/* uuid.h - a UUID as 16 bytes; byte order of the bytes is text order of the lower-case text. */
#ifndef BERTH_SCHEDULER_UUID_H
#define BERTH_SCHEDULER_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct uuid {
    uint8_t b[16];
};

enum { UUID_TEXT = 37 }; /* 36 characters and the NUL */

/* Accepts the 8-4-4-4-12 form, either case; anything else is false and *ret is untouched. */
bool uuid_parse(const char *text, struct uuid *ret);
char *uuid_format(const struct uuid *u, char text[UUID_TEXT]); /* lower case; returns text */

static inline int uuid_compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b));
}

#endif
