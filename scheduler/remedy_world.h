/* remedy_world.h - the inside of struct remedy_world, for remedy_world.c and remedy_apply.c. */
#ifndef BERTH_SCHEDULER_REMEDY_WORLD_H
#define BERTH_SCHEDULER_REMEDY_WORLD_H

#include "scheduler/policy_internal.h"
#include "scheduler/remedy.h"

struct remedy_world {
    struct arena *arena;
    const struct snapshot *base;
    struct snapshot snapshot;
    struct policy policy;
    uint32_t session;
    struct world_write { /* oldest first */
        const void *at;
        void *before;
        size_t size;
    } * log;
    size_t n_log, log_cap;
};

/* Writes into a table of the world's own or into the world itself, and keeps what was there. */
void world_put(struct remedy_world *w, const void *at, const void *value, size_t size);
#define WORLD_PUT(w, place, value)                                                                 \
    do {                                                                                           \
        __typeof__(place) value_ = (value);                                                        \
        world_put((w), &(place), &value_, sizeof(__typeof__(place)));                              \
    } while (0)

/* Makes a table of n rows the world's own before it is written to. */
const void *world_own(struct remedy_world *w, const void *table, const void *base, size_t size);
#define WORLD_OWN(w, table, n)                                                                     \
    ((w)->snapshot.table = world_own((w), (w)->snapshot.table, (w)->base->table,                   \
                                     (size_t)(n) * sizeof(*(w)->snapshot.table)))

static inline size_t world_cells(const struct remedy_world *w, uint32_t rows)
{
    return (size_t)rows * w->snapshot.n_slots;
}

/* A copy of the table with room behind it, zeroed. */
const void *world_longer(struct remedy_world *w, const void *table, size_t size, size_t more);

/* The session at hand, its table the world's own. */
const struct session *world_session_own(struct remedy_world *w);

/* The rows of what its kernels ask for, one a kernel in their order, shared with no other. */
const int64_t *world_requests_own(struct remedy_world *w);

uint32_t world_find_arch(const struct remedy_world *w, const char *name); /* NONE: unknown */

/* One kind of change; false: it cannot be done. */
#define REMEDY(kind, name) bool apply_##name(struct remedy_world *w, const struct remedy_change *c);
#include "scheduler/remedy_kinds.def"
#undef REMEDY

#endif
