/* snapshot_compare.c - equal bytes are equal snapshots; prints are made only to say what differs.
 */
#include "scheduler/snapshot_compare.h"

#include <inttypes.h>
#include <string.h>

#include "scheduler/snapshot_file.h"

enum { LINE_SHOWN = 200 };

static bool bytes_equal(const struct snapshot *a, const struct snapshot *b, struct arena *arena)
{
    const struct policy_config none = {.n_options = 0};
    uint8_t *x, *y;
    size_t n_x, n_y;
    snapshot_write(a, &none, arena, &x, &n_x);
    snapshot_write(b, &none, arena, &y, &n_y);
    return n_x == n_y && memcmp(x, y, n_x) == 0;
}

/* What a file does not have: it is for the commit alone. */
static const char *commit_fields(const struct snapshot *a, const struct snapshot *b,
                                 struct arena *arena)
{
    if (a->failure_rounds != b->failure_rounds)
        return arena_printf(arena, "failure_rounds %" PRId64 " and %" PRId64, a->failure_rounds,
                            b->failure_rounds);
    for (uint32_t i = 0; i < a->n_sessions; i++) {
        const struct session *x = &a->sessions[i], *y = &b->sessions[i];
        char id[UUID_TEXT];
        if (x->rare->carried != y->rare->carried)
            return arena_printf(arena, "session %s: carried %" PRId32 " and %" PRId32,
                                uuid_format(&x->id, id), x->rare->carried, y->rare->carried);
        if (x->rare->record_digest != y->rare->record_digest)
            return arena_printf(arena, "session %s: record_digest %016" PRIx64 " and %016" PRIx64,
                                uuid_format(&x->id, id), x->rare->record_digest,
                                y->rare->record_digest);
    }
    return NULL;
}

/* The first line of each text that is not in the other at the same place. */
static const char *first_line(const char *x, const char *y, struct arena *arena)
{
    const char *line_x = x, *line_y = y;
    for (; *x != '\0' && *x == *y; x++, y++) {
        if (*x != '\n')
            continue;
        line_x = x + 1;
        line_y = y + 1;
    }
    line_x += strspn(line_x, " ");
    line_y += strspn(line_y, " ");
    size_t n_x = strcspn(line_x, "\n"), n_y = strcspn(line_y, "\n");
    return arena_printf(arena, "\"%.*s\" and \"%.*s\"", (int)(n_x < LINE_SHOWN ? n_x : LINE_SHOWN),
                        line_x, (int)(n_y < LINE_SHOWN ? n_y : LINE_SHOWN), line_y);
}

const char *snapshot_difference(const struct snapshot *a, const struct snapshot *b,
                                struct arena *arena)
{
    if (bytes_equal(a, b, arena))
        return commit_fields(a, b, arena);
    return first_line(snapshot_print(a, arena), snapshot_print(b, arena), arena);
}
