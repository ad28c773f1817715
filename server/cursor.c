/* cursor.c - cursors as text. */
#include "server/cursor.h"

#include <string.h>

#include "server/opaque.h"

enum { GROUP_NAME_MAX = 256 }; /* bytes; a group's name has at most 64 characters */

static char *encode(enum opaque_format format, const struct cursor_entry *entries, uint32_t n,
                    struct arena *a)
{
    struct opaque_writer w;
    opaque_begin(&w, format, a);
    opaque_put_number(&w, n);
    for (uint32_t i = 0; i < n; i++) {
        opaque_put_bytes(&w, entries[i].group, strlen(entries[i].group));
        opaque_put_number(&w, (uint64_t)entries[i].sequence);
    }
    return opaque_end(&w);
}

char *cursor_encode(const struct cursor_entry *entries, uint32_t n, struct arena *a)
{
    return encode(OPAQUE_CURSOR, entries, n, a);
}

char *cursor_encode_after_gap(const struct cursor_entry *entries, uint32_t n, struct arena *a)
{
    return encode(OPAQUE_CURSOR_AFTER_GAP, entries, n, a);
}

bool cursor_is_after_gap(const char *text, struct arena *a)
{
    struct opaque_reader r;
    return strlen(text) <= CURSOR_TEXT_MAX && opaque_open(&r, OPAQUE_CURSOR_AFTER_GAP, text, a);
}

/* One entry; it must follow `before` (NULL: it is the first) in byte order. */
static bool read_entry(struct opaque_reader *r, const char *before, struct arena *a,
                       struct cursor_entry *ret)
{
    const uint8_t *name;
    size_t len;
    uint64_t sequence;
    if (!opaque_get_bytes(r, &name, &len) || len == 0 || len > GROUP_NAME_MAX ||
        memchr(name, 0, len) != NULL || !opaque_get_number(r, &sequence) || sequence > INT64_MAX)
        return false;
    ret->group = arena_strndup(a, (const char *)name, len);
    ret->sequence = (int64_t)sequence;
    return before == NULL || strcmp(before, ret->group) < 0;
}

int cursor_decode(const char *field, const char *text, struct arena *a, struct cursor_entry **ret,
                  uint32_t *ret_n, struct err *e)
{
    struct opaque_reader r;
    uint64_t n;
    if (strlen(text) > CURSOR_TEXT_MAX ||
        (!opaque_open(&r, OPAQUE_CURSOR, text, a) &&
         !opaque_open(&r, OPAQUE_CURSOR_AFTER_GAP, text, a)) ||
        !opaque_get_number(&r, &n) || n > CURSOR_GROUPS_MAX)
        goto bad;
    struct cursor_entry *entries = arena_new(a, struct cursor_entry, n + 1);
    for (uint64_t i = 0; i < n; i++)
        if (!read_entry(&r, i > 0 ? entries[i - 1].group : NULL, a, &entries[i]))
            goto bad;
    if (!opaque_at_end(&r))
        goto bad;
    *ret = entries;
    *ret_n = (uint32_t)n;
    return 0;
bad:
    err_set(e, ERR_INVALID, "BAD_CURSOR",
            "%s is not a cursor of this service: pass the cursor of a message unchanged", field);
    return err_meta(e, "field", "%s", field);
}

int64_t cursor_find(const struct cursor_entry *entries, uint32_t n, const char *group)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(entries[middle].group, group);
        if (order == 0)
            return entries[middle].sequence;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}
