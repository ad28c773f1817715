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

/* What the kernels ask for stays as it is: there is nothing to change back. */
const int64_t *world_requests_own(struct remedy_world *w)
{
    const struct session *x = &w->snapshot.sessions[w->session];
    const uint32_t first = w->base->n_requests;
    const size_t row = w->snapshot.n_slots * sizeof(int64_t);
    if (w->snapshot.requests == w->base->requests) {
        const int64_t *longer = world_longer(w, w->base->requests, first * row, x->n_kernels * row);
        WORLD_OWN(w, kernels, w->snapshot.n_kernels);
        for (uint32_t k = 0; k < x->n_kernels; k++) {
            const uint32_t own = first + k;
            overwrite(longer + world_cells(w, own),
                      snapshot_request(&w->snapshot, x->first_kernel + k), row);
            overwrite(&w->snapshot.kernels[x->first_kernel + k].request, &own, sizeof(own));
        }
        w->snapshot.requests = longer;
        w->snapshot.n_requests = first + x->n_kernels;
    }
    return w->snapshot.requests + world_cells(w, first);
}

uint32_t world_find_arch(const struct remedy_world *w, const char *name)
{
    for (uint32_t i = 0; i < w->snapshot.n_archs; i++)
        if (strcmp(w->snapshot.archs[i], name) == 0)
            return i;
    return NONE;
}
