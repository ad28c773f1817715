/* drf.c - dominant resource fairness by progressive filling (Ghodsi et al., NSDI 2011).
 *
 * Always the first pending session of the access key with the smallest dominant share: the largest,
 * over slots the group has any of, of usage in this group / capacity of its candidate agents. Usage
 * is that of non-private kernels, with what this round placed, in any band. Shares are exact
 * fractions; ties go to the oldest first session, then to the smaller session id. A heap of keys:
 * only the key offered last can have changed. */
#include "scheduler/plugin.h"

struct line { /* the sessions of one access key, in order */
    uint32_t owner;
    uint32_t first, last;   /* places in band->sessions */
    int64_t used, capacity; /* the dominant share */
};

struct drf {
    const struct band *band;
    uint32_t *next; /* by place in band->sessions: the same key's next place, or NONE */
    struct line *lines;
    uint32_t *heap; /* of lines, the smallest share on top */
    uint32_t n;
    bool offered; /* the top's first session was */
};

static int64_t usage(const struct drf *d, uint32_t owner, uint32_t slot)
{
    const struct round_view *v = d->band->round;
    size_t at = (size_t)owner * v->snapshot->n_slots + slot;
    return amount_add(v->snapshot->owner_group_usage[at], v->owner_placed[at]);
}

static void share_update(const struct drf *d, struct line *l)
{
    const struct round_view *v = d->band->round;
    l->used = 0;
    l->capacity = 1;
    for (uint32_t i = 0; i < v->snapshot->n_slots; i++) {
        int64_t capacity = v->total_capacity[i], used = usage(d, l->owner, i);
        if (capacity <= 0 || (__int128)used * l->capacity <= (__int128)l->used * capacity)
            continue;
        l->used = used;
        l->capacity = capacity;
    }
}

static bool goes_before(const struct drf *d, uint32_t a, uint32_t b)
{
    const struct line *x = &d->lines[a], *y = &d->lines[b];
    __int128 left = (__int128)x->used * y->capacity, right = (__int128)y->used * x->capacity;
    /* Places in the band are by (created_at, id). */
    return left != right ? left < right : x->first < y->first;
}

static void sift_down(struct drf *d, uint32_t at)
{
    uint32_t line = d->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= d->n)
            break;
        if (child + 1 < d->n && goes_before(d, d->heap[child + 1], d->heap[child]))
            child++;
        if (!goes_before(d, d->heap[child], line))
            break;
        d->heap[at] = d->heap[child];
        at = child;
    }
    d->heap[at] = line;
}

static void *begin(const struct band *b)
{
    const struct snapshot *s = b->round->snapshot;
    struct drf *d = arena_new(b->arena, struct drf, 1);
    uint32_t *line_of = arena_new(b->arena, uint32_t, s->n_owners); /* line + 1 */
    d->band = b;
    d->next = arena_new(b->arena, uint32_t, b->n_sessions);
    d->lines = arena_new(b->arena, struct line, b->n_sessions);
    d->heap = arena_new(b->arena, uint32_t, b->n_sessions);
    for (uint32_t i = 0; i < b->n_sessions; i++) {
        uint32_t owner = s->sessions[b->sessions[i]].owner[OWNER_KEYPAIR];
        d->next[i] = NONE;
        if (line_of[owner] != 0) {
            struct line *l = &d->lines[line_of[owner] - 1];
            d->next[l->last] = i;
            l->last = i;
            continue;
        }
        d->lines[d->n] = (struct line){.owner = owner, .first = i, .last = i};
        share_update(d, &d->lines[d->n]);
        d->heap[d->n] = d->n;
        line_of[owner] = ++d->n;
    }
    for (uint32_t i = d->n / 2; i-- > 0;)
        sift_down(d, i);
    return d;
}

static uint32_t pick_session(void *state)
{
    struct drf *d = state;
    if (d->offered) { /* its key stands behind its next session now, and may own more */
        struct line *l = &d->lines[d->heap[0]];
        l->first = d->next[l->first];
        if (l->first == NONE)
            d->heap[0] = d->heap[--d->n];
        if (d->n > 0)
            sift_down(d, 0);
    }
    d->offered = d->n > 0;
    return d->n > 0 ? d->band->sessions[d->lines[d->heap[0]].first] : NONE;
}

static void update_allocation(void *state, uint32_t session)
{
    struct drf *d = state;
    (void)session; /* the one offered last: the top's */
    share_update(d, &d->lines[d->heap[0]]);
}

SEQUENCER(drf, "drf", "dominant resource fairness among access keys", NULL, .begin = begin,
          .pick_session = pick_session, .update_allocation = update_allocation);
