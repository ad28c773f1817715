/* remedy_world.c - a snapshot that can be changed and changed back.
 *
 * Every write goes through world_put(), which keeps the bytes it replaces. A table that still is
 * the one of the snapshot given is copied before the first write to it. */
#include <string.h>

#include "scheduler/remedy_world.h"

struct remedy_world *remedy_world_create(const struct snapshot *s, const struct policy *p,
                                         uint32_t session, struct arena *a)
{
    struct remedy_world *w = arena_new(a, struct remedy_world, 1);
    *w = (struct remedy_world){
        .arena = a, .base = s, .snapshot = *s, .policy = *p, .session = session};
    return w;
}

const struct snapshot *remedy_world_snapshot(const struct remedy_world *w)
{
    return &w->snapshot;
}

const struct policy *remedy_world_policy(const struct remedy_world *w)
{
    return &w->policy;
}

uint32_t remedy_world_session(const struct remedy_world *w)
{
    return w->session;
}

/* The tables are const for everyone else; those written to here belong to the world. */
static void overwrite(const void *at, const void *value, size_t size)
{
    void *own;
    memcpy(&own, &at, sizeof(own));
    memmove(own, value, size);
}

void world_put(struct remedy_world *w, const void *at, const void *value, size_t size)
{
    w->log = arena_grow(w->arena, w->log, &w->log_cap, w->n_log + 1, sizeof(*w->log));
    w->log[w->n_log++] =
        (struct world_write){.at = at, .size = size, .before = arena_memdup(w->arena, at, size)};
    overwrite(at, value, size);
}

size_t remedy_world_mark(const struct remedy_world *w)
{
    return w->n_log;
}

void remedy_world_undo(struct remedy_world *w, size_t mark)
{
    while (w->n_log > mark) {
        const struct world_write *last = &w->log[--w->n_log];
        overwrite(last->at, last->before, last->size);
        arena_release(w->arena, last->before, last->size);
    }
}

const void *world_own(struct remedy_world *w, const void *table, const void *base, size_t size)
{
    return table == base ? arena_memdup(w->arena, table, size) : table;
}

const void *world_longer(struct remedy_world *w, const void *table, size_t size, size_t more)
{
    char *longer = arena_alloc(w->arena, size + more, 1);
    if (size > 0)
        memcpy(longer, table, size);
    return longer;
}

const struct session *world_session_own(struct remedy_world *w)
{
    WORLD_OWN(w, sessions, w->snapshot.n_sessions);
    return &w->snapshot.sessions[w->session];
}

uint32_t world_find_arch(const struct remedy_world *w, const char *name)
{
    for (uint32_t i = 0; i < w->snapshot.n_archs; i++)
        if (strcmp(w->snapshot.archs[i], name) == 0)
            return i;
    return NONE;
}
