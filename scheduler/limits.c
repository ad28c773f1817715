/* limits.c - owners, quotas and pending queues. */
#include "scheduler/limits.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/cause.h"

bool owner_is_unusable(const struct check *c, enum owner_kind kind, bool limits_needed,
                       struct cause_list *causes)
{
    const struct owner *o = &c->round->snapshot->owners[check_owner(c, kind)];
    if (o->missing != NULL)
        (void)cause_addf(causes, CAUSE_OWNER_NOT_FOUND, o->key, "%s was not found.", o->missing);
    else if (limits_needed && o->bad_data != NULL)
        (void)cause_add(causes, CAUSE_BAD_DATA, o->key, o->bad_data);
    else
        return false;
    return true;
}

/* --- quotas --- */

static int64_t left_of(int64_t limit, int64_t usage)
{
    int64_t left = amount_sub(limit, usage);
    return left > 0 ? left : 0;
}

enum check_result quota_check(const struct check *c, enum owner_kind kind, enum cause_kind cause,
                              const char *what, struct cause_list *causes)
{
    const struct snapshot *s = c->round->snapshot;
    if (session_is_private(check_session(c)))
        return CHECK_PASSED;
    if (owner_is_unusable(c, kind, true, causes))
        return CHECK_REJECTED;
    uint32_t owner = check_owner(c, kind);
    const int64_t *limit = snapshot_row(s, s->owner_limit, owner);
    struct shortage *over = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_asked; i++) {
        uint32_t slot = c->asked[i];
        int64_t used = round_owner_usage(c->round, owner, slot);
        if (amount_add(used, c->request[slot]) <= limit[slot]) /* an infinite one always */
            continue;
        if (over == NULL)
            over = arena_new(causes->arena, struct shortage, c->n_asked);
        over[n++] = (struct shortage){.slot = slot,
                                      .requested = c->request[slot],
                                      .available = left_of(limit[slot], used),
                                      .limit = limit[slot]};
    }
    if (n == 0)
        return CHECK_PASSED;
    const struct owner *o = &s->owners[owner];
    bool project = kind == OWNER_PROJECT;
    struct cause *added = cause_addf(causes, cause, project ? o->name : o->key,
                                     "Your %s resource quota is exceeded. (%s%s%s)", what,
                                     project ? o->name : "", project ? ": " : "",
                                     cause_amounts(s, c->asked, c->n_asked, limit, causes->arena));
    added->slots = over;
    added->n_slots = n;
    return CHECK_REJECTED;
}

/* --- pending queues --- */

struct waiting {                       /* one entry of the queues of all keys */
    const struct other_pending *other; /* NULL: a session of the snapshot */
    uint32_t index;                    /* into other_request, or of the session */
};

static int by_age(const void *a, const void *b)
{
    const struct waiting *x = a, *y = b;
    if (x->other->created_at != y->other->created_at)
        return x->other->created_at < y->other->created_at ? -1 : 1;
    return uuid_compare(&x->other->id, &y->other->id);
}

static bool is_older(const struct other_pending *o, const struct session *x)
{
    return o->created_at != x->created_at ? o->created_at < x->created_at
                                          : uuid_compare(&o->id, &x->id) < 0;
}

/* The pending sessions of other groups, by (created_at, id). */
static struct waiting *sorted_others(const struct snapshot *s, struct arena *a)
{
    struct waiting *others = arena_new(a, struct waiting, s->n_other_pending);
    for (uint32_t i = 0; i < s->n_other_pending; i++)
        others[i] = (struct waiting){.other = &s->other_pending[i], .index = i};
    qsort(others, s->n_other_pending, sizeof(*others), by_age);
    return others;
}

typedef void visit_f(void *ctx, struct waiting w);

/* Visits everything that pends, over all keys, by (created_at, id). */
static void each_waiting(const struct round_view *v, struct arena *a, visit_f *visit, void *ctx)
{
    const struct snapshot *s = v->snapshot;
    struct waiting *others = sorted_others(s, a);
    uint32_t next = 0;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (v->expired[i] || session_is_private(&s->sessions[i]))
            continue;
        while (next < s->n_other_pending && is_older(others[next].other, &s->sessions[i]))
            visit(ctx, others[next++]);
        visit(ctx, (struct waiting){.index = i});
    }
}

struct counting {
    const struct snapshot *snapshot;
    struct pending *pending;
    uint32_t *count; /* by owner */
};

static void count_one(void *ctx, struct waiting w)
{
    struct counting *x = ctx;
    if (w.other != NULL) {
        x->count[w.other->keypair]++;
        return;
    }
    uint32_t keypair = x->snapshot->sessions[w.index].owner[OWNER_KEYPAIR];
    x->pending->rank[w.index] = x->count[keypair]++;
}

const struct pending *pending_count(const struct round_view *v, struct arena *a)
{
    struct pending *p = arena_new(a, struct pending, 1);
    p->rank = arena_new(a, uint32_t, v->snapshot->n_sessions);
    struct counting x = {.snapshot = v->snapshot,
                         .pending = p,
                         .count = arena_new(a, uint32_t, v->snapshot->n_owners)};
    each_waiting(v, a, count_one, &x);
    return p;
}

struct summing {
    const struct snapshot *snapshot;
    struct arena *arena;
    struct pending *pending;
    int64_t **sum; /* by owner: the running sum, NULL: no limit */
};

static void add_row(struct summing *x, int64_t *sum, const int64_t *row)
{
    for (uint32_t i = 0; i < x->snapshot->n_slots; i++)
        sum[i] = amount_add(sum[i], row[i]);
}

static void sum_one(void *ctx, struct waiting w)
{
    struct summing *x = ctx;
    const struct snapshot *s = x->snapshot;
    if (w.other != NULL) {
        if (x->sum[w.other->keypair] != NULL)
            add_row(x, x->sum[w.other->keypair], snapshot_row(s, s->other_request, w.index));
        return;
    }
    const struct session *session = &s->sessions[w.index];
    int64_t *sum = x->sum[session->owner[OWNER_KEYPAIR]];
    if (sum == NULL)
        return;
    for (uint32_t k = 0; k < session->n_kernels; k++)
        add_row(x, sum, snapshot_request(s, session->first_kernel + k));
    x->pending->sum[w.index] = arena_memdup(x->arena, sum, s->n_slots * sizeof(*sum));
}

const struct pending *pending_sum(const struct round_view *v, struct arena *a)
{
    const struct snapshot *s = v->snapshot;
    struct pending *p = arena_new(a, struct pending, 1);
    p->sum = arena_new(a, int64_t *, s->n_sessions);
    struct summing x = {
        .snapshot = s, .arena = a, .pending = p, .sum = arena_new(a, int64_t *, s->n_owners)};
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        uint32_t key = s->sessions[i].owner[OWNER_KEYPAIR];
        if (s->owners[key].has_pending_limit && x.sum[key] == NULL)
            x.sum[key] = arena_new(a, int64_t, s->n_slots);
    }
    each_waiting(v, a, sum_one, &x);
    return p;
}
