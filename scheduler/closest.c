/* closest.c - the agent that comes closest, by plain scan and by blocks. */
#include "scheduler/closest.h"

enum { BLOCK = 32 };

struct closest {
    uint32_t n_blocks;
    int64_t *most;  /* rows by block: no candidate in it has more left */
    int64_t *least; /* scratch, by asked slot: what is left where it comes closer */
};

/* A slot's shortage relative to its request, as an exact fraction in (0, 1]. */
struct fraction {
    int64_t above, below;
};

static const struct fraction more_than_any = {2, 1};

static bool is_less(struct fraction a, struct fraction b)
{
    return (__int128)a.above * b.below < (__int128)b.above * a.below;
}

/* The largest relative shortage where this much remains; false: it is not below the limit, though
 * there is one. */
static bool shortage_below(const int64_t *remaining, const struct requirement *r,
                           struct fraction limit, struct fraction *ret)
{
    struct fraction worst = {0, 1};
    for (uint32_t i = 0; i < r->n_asked; i++) {
        int64_t asked = r->request[r->asked[i]], left = remaining[r->asked[i]];
        struct fraction here = {asked - left, asked};
        if (asked <= left || !is_less(worst, here))
            continue;
        if (!is_less(here, limit))
            return false;
        worst = here;
    }
    *ret = worst;
    return true;
}

uint32_t closest_scan(const struct room *m, const struct requirement *r, const uint32_t *agents,
                      uint32_t n)
{
    uint32_t best = agents[0];
    struct fraction least = more_than_any;
    for (uint32_t i = 0; i < n; i++)
        if (shortage_below(snapshot_row(m->snapshot, m->remaining, agents[i]), r, least, &least))
            best = agents[i];
    return best;
}

/* --- blocks --- */

static uint32_t block_end(const struct room *m, uint32_t block)
{
    uint32_t end = (block + 1) * BLOCK;
    return end < m->snapshot->n_agents ? end : m->snapshot->n_agents;
}

static int64_t *block_most(const struct closest *x, const struct room *m, uint32_t block)
{
    return x->most + (size_t)block * m->snapshot->n_slots;
}

static void raise_to(int64_t *most, const int64_t *row, uint32_t n_slots)
{
    for (uint32_t i = 0; i < n_slots; i++)
        most[i] = row[i] > most[i] ? row[i] : most[i];
}

static void measure(const struct closest *x, const struct room *m, uint32_t block)
{
    const struct snapshot *s = m->snapshot;
    int64_t *most = block_most(x, m, block);
    for (uint32_t i = 0; i < s->n_slots; i++)
        most[i] = 0;
    for (uint32_t i = block * BLOCK; i < block_end(m, block); i++)
        if (agent_is_candidate(&s->agents[i]))
            raise_to(most, snapshot_row(s, m->remaining, i), s->n_slots);
}

struct closest *closest_create(const struct room *m, struct arena *a)
{
    const struct snapshot *s = m->snapshot;
    struct closest *x = arena_new(a, struct closest, 1);
    x->n_blocks = (s->n_agents + BLOCK - 1) / BLOCK;
    x->most = arena_new(a, int64_t, (size_t)x->n_blocks * s->n_slots);
    x->least = arena_new(a, int64_t, s->n_slots);
    for (uint32_t i = 0; i < x->n_blocks; i++)
        measure(x, m, i);
    return x;
}

void closest_raise(struct closest *x, const struct room *m, uint32_t agent)
{
    raise_to(block_most(x, m, agent / BLOCK), snapshot_row(m->snapshot, m->remaining, agent),
             m->snapshot->n_slots);
}

/* What must be left of each slot for a largest shortage below this one, which is above 0. */
static void least_load(struct closest *x, const struct requirement *r, struct fraction shortage)
{
    for (uint32_t i = 0; i < r->n_asked; i++) {
        const int64_t asked = r->request[r->asked[i]];
        const __int128 above = (__int128)shortage.above * asked; /* over what is below: too short */
        x->least[i] = shortage.above <= shortage.below
                          ? asked - (int64_t)((above + shortage.below - 1) / shortage.below) + 1
                          : INT64_MIN;
    }
}

static bool comes_closer(const struct closest *x, const struct requirement *r,
                         const int64_t *remaining)
{
    for (uint32_t i = 0; i < r->n_asked; i++)
        if (remaining[r->asked[i]] < x->least[i])
            return false;
    return true;
}

/* The best so far, or whoever in the block comes closer. */
static uint32_t search_block(struct closest *x, const struct room *m, const struct requirement *r,
                             uint32_t block, uint32_t best, struct fraction *least)
{
    const struct snapshot *s = m->snapshot;
    for (uint32_t i = block * BLOCK; i < block_end(m, block) && least->above > 0; i++) {
        const int64_t *remaining = snapshot_row(s, m->remaining, i);
        if (!agent_is_candidate(&s->agents[i]) || s->agents[i].arch != r->arch ||
            !comes_closer(x, r, remaining))
            continue;
        best = i;
        (void)shortage_below(remaining, r, more_than_any, least);
        if (least->above > 0)
            least_load(x, r, *least);
    }
    measure(x, m, block); /* less may remain than when it was measured last */
    return best;
}

uint32_t closest_find(struct closest *x, const struct room *m, const struct requirement *r)
{
    uint32_t best = NONE;
    struct fraction least = more_than_any;
    least_load(x, r, least);
    for (uint32_t block = 0; block < x->n_blocks && least.above > 0; block++)
        if (comes_closer(x, r, block_most(x, m, block)))
            best = search_block(x, m, r, block, best, &least);
    return least.above > 0 ? best : NONE;
}
