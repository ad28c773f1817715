/* cursor.h - where a watch stands: the last sequence seen of every group of the subscription.
 *
 * Resuming from a cursor continues each group after its sequence. A group that is not in it (made
 * after the cursor was) begins at its first event. Entries stand in byte order of their names. */
#ifndef BERTH_SERVER_CURSOR_H
#define BERTH_SERVER_CURSOR_H

#include "scheduler/arena.h"
#include "scheduler/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CURSOR_GROUPS_MAX = 10000,
    CURSOR_TEXT_MAX = 1 << 18, /* longest text that is looked at, in bytes */
};

struct cursor_entry {
    const char *group; /* name */
    int64_t sequence;  /* last one seen, 0: none yet */
};

/* Entries in byte order of group, each group once. */
char *cursor_encode(const struct cursor_entry *entries, uint32_t n, struct arena *a);
/* The same, for who has been told that events before it are gone: the stream that resumes from it
 * begins with a gap. */
char *cursor_encode_after_gap(const struct cursor_entry *entries, uint32_t n, struct arena *a);
bool cursor_is_after_gap(const char *text, struct arena *a);
/* Of either kind. ERR_INVALID, reason BAD_CURSOR, field `field`: not a cursor of ours. */
int cursor_decode(const char *field, const char *text, struct arena *a, struct cursor_entry **ret,
                  uint32_t *ret_n, struct err *e) MUST_CHECK;
/* The entry's sequence; -1 when the group is not in it. */
int64_t cursor_find(const struct cursor_entry *entries, uint32_t n, const char *group);

#endif
