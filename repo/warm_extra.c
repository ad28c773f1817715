/* warm_extra.c - what a load knows beyond the snapshot, put into the snapshot's order. */
#include <stdlib.h>

#include "repo/warm_internal.h"

static struct warm *warm_new(void)
{
    struct warm *w = calloc(1, sizeof(*w));
    if (w == NULL)
        abort(); /* as an arena does */
    atomic_init(&w->refs, 1);
    w->arena = arena_create();
    return w;
}

struct warm *warm_create(const struct warm_here *h)
{
    struct warm *w = warm_new();
    w->b = builder_create(w->arena);
    w->moment = (struct db_moment){.mark = h->moment.mark, .xmin = h->moment.xmin};
    for (int i = 0; i < WARM_TABLES; i++)
        w->tables[i] = h->tables[i];
    return w;
}

struct warm *warm_of_tables(struct warm *w)
{
    struct warm *n = warm_new();
    n->root = w->root != NULL ? w->root : w;
    atomic_fetch_add(&n->root->refs, 1);
    n->extra = w->extra;
    n->moment = w->moment;
    for (int i = 0; i < WARM_TABLES; i++)
        n->tables[i] = w->tables[i];
    n->checked_at = w->checked_at;
    n->specs = w->specs;
    n->n_specs = w->n_specs;
    n->has_guests = w->has_guests;
    return n;
}

void warm_destroy(struct warm *w)
{
    if (w == NULL || atomic_fetch_sub(&w->refs, 1) > 1)
        return;
    warm_destroy(w->root);
    arena_destroy(w->arena);
    free(w);
}

size_t warm_bytes(const struct warm *w)
{
    const size_t own = sizeof(*w) + arena_used(w->arena);
    return w->root != NULL ? own + warm_bytes(w->root) : own;
}

const struct snapshot *warm_snapshot(const struct warm *w)
{
    return w->s;
}

/* By the rows of the builder, which are in another order once it is finished. */
static const char **agent_ids(const struct load *l, uint32_t n)
{
    const char **ids = arena_new(l->a, const char *, n);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = builder_agent_at(l->b, i)->id;
    return ids;
}

static void take_groupings(struct warm *w, const struct load *l, const uint32_t *to)
{
    if (l->n_groupings == 0)
        return;
    w->extra.group_id = arena_new(w->arena, struct uuid, w->s->n_sessions);
    w->extra.has_group = arena_new(w->arena, bool, w->s->n_sessions);
    for (uint32_t i = 0; i < l->n_groupings; i++) {
        uint32_t at = to[l->groupings[i].session];
        w->extra.group_id[at] = l->groupings[i].group;
        w->extra.has_group[at] = true;
    }
}

static void take_sessions(struct warm *w, const struct load *l, const uint32_t *to,
                          const uint32_t *rows)
{
    uint32_t n = w->s->n_sessions;
    w->extra.ledger_rows = arena_new(w->arena, uint32_t, n);
    w->extra.again = arena_new(w->arena, bool, n);
    w->extra.n_odd = l->n_odd;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = to[i];
        w->extra.ledger_rows[at] = rows[i];
        w->extra.again[at] =
            w->s->sessions[at].bad_data != NULL || (i < l->cap_odd && l->odd[i] != 0);
    }
}

/* Finishing sorts with copies of the largest tables, so what was for joining goes before. */
static uint32_t *count_ledger(struct warm *w, struct load *l, uint32_t n_sessions)
{
    uint32_t *rows = l->seeded_rows;
    if (rows == NULL)
        rows = arena_new(l->a, uint32_t, n_sessions);
    for (uint32_t i = 0; i < l->n_kernels; i++)
        rows[builder_kernel_session(w->b, i)] += l->ledger_rows[i];
    arena_release(l->a, TAKE(l->ledger_rows), ((size_t)l->n_kernels + 1) * sizeof(*rows));
    return rows;
}

void warm_finish(struct warm *w, struct load *l, const struct snapshot_query *q,
                 const struct snapshot_spec_owners *found)
{
    const struct spec_keys *keys = warm_spec_keys(l, q, found);
    const uint32_t n_sessions = builder_n_sessions(w->b), n_agents = builder_n_agents(w->b);
    const uint32_t *rows = count_ledger(w, l, n_sessions);
    const char **agents = agent_ids(l, n_agents);
    builder_keep_rows(w->b);
    w->s = builder_finish(w->b);
    w->checked_at = w->s->observed_at;
    uint32_t *to = builder_session_rows(w->b);
    take_sessions(w, l, to, rows);
    take_groupings(w, l, to);
    arena_release(w->arena, to, n_sessions * sizeof(*to));
    w->extra.agent_rows = arena_new(w->arena, uint32_t, n_agents);
    for (uint32_t i = 0; i < n_agents; i++)
        w->extra.agent_rows[snapshot_find_agent(w->s, agents[i])] = l->agent_rows[i];
    warm_take_specs(w, q, keys);
}
