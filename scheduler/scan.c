/* scan.c - filters, orders, selector over lists of agents. */
#include "scheduler/scan.h"

#include <string.h>

void scan_init(struct scan *x, const struct snapshot *s, const struct policy *p, struct arena *a)
{
    uint32_t *candidates = arena_new(a, uint32_t, s->n_agents);
    *x = (struct scan){.policy = p, .candidates = candidates};
    for (uint32_t i = 0; i < s->n_agents; i++)
        if (agent_is_candidate(&s->agents[i]))
            candidates[x->n_candidates++] = i;
    x->list = arena_new(a, uint32_t, x->n_candidates);
    x->other = arena_new(a, uint32_t, x->n_candidates);
    x->key = arena_new(a, int64_t, s->n_slots + 2);
    x->best = arena_new(a, int64_t, s->n_slots + 2);
}

bool filter_applies(const struct chosen *f, const struct room *m, const struct requirement *r)
{
    const struct filter_ops *ops = &f->plugin->filter;
    return ops->applies == NULL || ops->applies(m, r, f->options);
}

bool order_applies(const struct chosen *o, const struct room *m, const struct requirement *r)
{
    const struct order_ops *ops = &o->plugin->order;
    return ops->applies == NULL || ops->applies(m, r, o->options);
}

static uint32_t filter_run(const struct chosen *f, const struct room *m,
                           const struct requirement *r, const uint32_t *in, uint32_t n,
                           uint32_t *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (f->plugin->filter.keep(m, r, f->options, in[i]))
            out[kept++] = in[i];
    return kept;
}

static uint32_t order_run(const struct chosen *o, const struct room *m, const struct requirement *r,
                          uint32_t *list, uint32_t n)
{
    int64_t best = INT64_MAX;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t rank = o->plugin->order.rank(m, r, o->options, list[i]);
        if (rank > best)
            continue;
        if (rank < best)
            kept = 0;
        best = rank;
        list[kept++] = list[i];
    }
    return kept;
}

/* Negative: a goes first. */
static int key_compare(const int64_t *a, const int64_t *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

uint32_t scan_select(struct scan *x, const struct room *m, const struct requirement *r,
                     const uint32_t *list, uint32_t n)
{
    const struct chosen *c = &x->policy->selector;
    uint32_t best = NONE;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len = c->plugin->selector.key(m, r, c->options, list[i], x->key);
        int order = best != NONE ? key_compare(x->key, x->best, len) : -1;
        if (order > 0 || (order == 0 && list[i] > best))
            continue;
        best = list[i];
        memcpy(x->best, x->key, len * sizeof(*x->key));
    }
    return best;
}

uint32_t scan_choose(struct scan *x, const struct room *m, const struct requirement *r,
                     struct scan_failure *ret_failure)
{
    const uint32_t *in = x->candidates;
    uint32_t *out = x->list, n = x->n_candidates;
    for (uint32_t i = 0; i < x->policy->filters.n; i++) {
        const struct chosen *f = &x->policy->filters.items[i];
        if (!filter_applies(f, m, r))
            continue;
        uint32_t kept = filter_run(f, m, r, in, n, out);
        if (kept == 0 && ret_failure != NULL)
            *ret_failure = (struct scan_failure){.filter = i, .entrants = in, .n = n};
        if (kept == 0)
            return NONE;
        in = out;
        out = in == x->list ? x->other : x->list;
        n = kept;
    }
    uint32_t *tier = out;
    memcpy(tier, in, n * sizeof(*in));
    for (uint32_t i = 0; i < x->policy->orders.n && n > 1; i++)
        if (order_applies(&x->policy->orders.items[i], m, r))
            n = order_run(&x->policy->orders.items[i], m, r, tier, n);
    return scan_select(x, m, r, tier, n);
}
