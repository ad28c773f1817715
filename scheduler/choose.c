/* choose.c - one requirement, one agent.
 *
 * Filters and orders that go by marks (designated, member of the session's group) treat all agents
 * without a mark alike. So there are at most two kinds of tiers to compare: those of the marked
 * agents, which are few and are looked at one by one, and the one tier of all the others, which the
 * index knows how to search. */
#include "scheduler/choose.h"

#include <string.h>

#include "scheduler/fit_index.h"

enum { BUILD_INDEX_AT = 2 }; /* questions of a track before an index pays */

void chooser_init(struct chooser *c, const struct snapshot *s, const struct policy *p,
                  bool plain_scan, struct arena *a)
{
    *c = (struct chooser){.policy = p,
                          .arena = a,
                          .plain_scan = plain_scan,
                          .rank = arena_new(a, int64_t, p->orders.n),
                          .best_rank = arena_new(a, int64_t, p->orders.n),
                          .common_rank = arena_new(a, int64_t, p->orders.n)};
    scan_init(&c->scan, s, p, a);
}

struct question {
    const struct policy *policy;
    const struct room *room;
    const struct requirement *requirement;
    struct rules rules;
    bool unmarked_only; /* accept no marked agent */
};

static bool is_marked(const struct requirement *r, uint32_t agent)
{
    return (r->designated != NULL && r->designated[agent]) ||
           (r->group != NULL && r->members[agent] > 0);
}

static bool keep_all(const struct question *q, uint64_t filters, uint32_t agent)
{
    for (uint64_t left = filters; left != 0; left &= left - 1) {
        const struct chosen *f = &q->policy->filters.items[__builtin_ctzll(left)];
        if (!f->plugin->filter.keep(q->room, q->requirement, f->options, agent))
            return false;
    }
    return true;
}

static bool question_accept(const void *ctx, uint32_t agent)
{
    const struct question *q = ctx;
    return !(q->unmarked_only && is_marked(q->requirement, agent)) &&
           keep_all(q, q->rules.filters, agent);
}

static struct rules rules_find(const struct policy *p, const struct room *m,
                               const struct requirement *r)
{
    struct rules found = {.known = true};
    for (uint32_t i = 0; i < p->orders.n; i++) {
        if (!order_applies(&p->orders.items[i], m, r))
            continue;
        found.by_scan |= !p->orders.items[i].plugin->order.by_marks;
        found.orders |= UINT64_C(1) << i;
    }
    for (uint32_t i = 0; i < p->filters.n; i++) {
        if (!filter_applies(&p->filters.items[i], m, r))
            continue;
        found.filters |= UINT64_C(1) << i;
        if (p->filters.items[i].plugin->filter.by_marks)
            found.mark_filters |= UINT64_C(1) << i;
    }
    return found;
}

/* The rules that are built in treat all requirements without marks alike. */
static struct rules rules_of(struct chooser *c, const struct room *m, const struct requirement *r)
{
    if (r->designated != NULL || r->group != NULL || !c->policy->only_builtin_filters ||
        !c->policy->only_builtin_orders)
        return rules_find(c->policy, m, r);
    if (!c->unmarked.known)
        c->unmarked = rules_find(c->policy, m, r);
    return c->unmarked;
}

static struct fit_index *index_of(struct chooser *c, struct book *b, const struct requirement *r,
                                  const struct demand *d)
{
    if (c->plain_scan || d->track >= BOOK_MAX_INDEXES ||
        c->policy->selector.plugin->selector.scope == SELECT_BY_ANYTHING)
        return NULL;
    if (b->indexes[d->track] == NULL && ++b->uses[d->track] >= BUILD_INDEX_AT)
        b->indexes[d->track] = fit_index_create(b, &c->policy->selector, r, c->arena);
    return b->indexes[d->track];
}

/* --- tiers --- */

static void rank_load(const struct question *q, uint32_t agent, int64_t *ret)
{
    uint32_t n = 0;
    for (uint64_t left = q->rules.orders; left != 0; left &= left - 1) {
        const struct chosen *o = &q->policy->orders.items[__builtin_ctzll(left)];
        ret[n++] = o->plugin->order.rank(q->room, q->requirement, o->options, agent);
    }
}

/* Negative: tier a goes before tier b. */
static int rank_compare(const struct question *q, const int64_t *a, const int64_t *b)
{
    for (int i = 0; i < __builtin_popcountll(q->rules.orders); i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

/* All marked candidates, some of them twice. */
static uint32_t list_marked(struct chooser *c, const struct book *b, const struct requirement *r,
                            const struct shape *h)
{
    const struct agent *agents = b->room.snapshot->agents;
    uint32_t most = h->n_designated + (r->group != NULL ? members_n(&b->members) : 0);
    c->marked = arena_grow(c->arena, c->marked, &c->marked_cap, most + 1, sizeof(*c->marked));
    uint32_t all = r->group != NULL ? members_list(&b->members, c->marked) : 0, n = 0;
    for (uint32_t i = 0; i < h->n_designated; i++)
        c->marked[all++] = h->designated[i];
    for (uint32_t i = 0; i < all; i++)
        if (agent_is_candidate(&agents[c->marked[i]]))
            c->marked[n++] = c->marked[i];
    return n;
}

/* The marked agents of the best tier that can take it, at the head of c->marked; best_rank is
 * theirs. */
static uint32_t best_marked(struct chooser *c, const struct question *q, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t agent = c->marked[i];
        if (!keep_all(q, q->rules.filters, agent))
            continue;
        rank_load(q, agent, c->rank);
        int order = kept > 0 ? rank_compare(q, c->rank, c->best_rank) : -1;
        if (order > 0)
            continue;
        if (order < 0) {
            kept = 0;
            memcpy(c->best_rank, c->rank, q->policy->orders.n * sizeof(*c->rank));
        }
        c->marked[kept++] = agent;
    }
    return kept;
}

/* Any candidate without a mark: it stands for all of them. NONE: there is none. */
static uint32_t any_unmarked(const struct chooser *c, const struct requirement *r)
{
    for (uint32_t i = 0; i < c->scan.n_candidates; i++)
        if (!is_marked(r, c->scan.candidates[i]))
            return c->scan.candidates[i];
    return NONE;
}

static uint32_t choose_by_marks(struct chooser *c, struct book *b, struct question *q,
                                struct fit_index *x, const struct shape *h)
{
    const struct requirement *r = q->requirement;
    struct acceptance filters = {.accept = question_accept, .ctx = q};
    uint32_t n = best_marked(c, q, list_marked(c, b, r, h));
    uint32_t other = any_unmarked(c, r);
    q->unmarked_only = true;
    int order = -1; /* of the marked tier against that of all others */
    if (other != NONE && keep_all(q, q->rules.mark_filters, other)) {
        rank_load(q, other, c->common_rank);
        order = n > 0 ? rank_compare(q, c->best_rank, c->common_rank) : 1;
    }
    if (order < 0)
        return scan_select(&c->scan, &b->room, r, c->marked, n);
    other = fit_index_choose(x, b, r, &filters);
    if (other != NONE && order > 0)
        return other;
    if (other != NONE)
        c->marked[n++] = other; /* one tier: the selector decides */
    return scan_select(&c->scan, &b->room, r, c->marked, n);
}

uint32_t chooser_choose(struct chooser *c, struct book *b, const struct requirement *r,
                        const struct shape *h, uint32_t i)
{
    struct fit_index *x = index_of(c, b, r, h->demands[i]);
    struct question q = {.policy = c->policy, .room = &b->room, .requirement = r};
    if (x != NULL)
        q.rules = rules_of(c, &b->room, r);
    if (x == NULL || q.rules.by_scan)
        return scan_choose(&c->scan, &b->room, r, NULL);
    if (q.rules.mark_filters != 0 || q.rules.orders != 0)
        return choose_by_marks(c, b, &q, x, h);
    struct acceptance filters = {.accept = question_accept, .ctx = &q};
    return fit_index_choose(x, b, r, &filters);
}

bool chooser_fits(struct chooser *c, struct book *b, const struct requirement *r,
                  const struct shape *h, uint32_t i)
{
    enum { FIRST = 16 }; /* agents that are asked before it is thought about */
    const struct question q = {
        .policy = c->policy, .room = &b->room, .requirement = r, .rules = rules_of(c, &b->room, r)};
    for (uint32_t k = 0; k < FIRST && k < c->scan.n_candidates && !c->plain_scan; k++)
        if (keep_all(&q, q.rules.filters, c->scan.candidates[k]))
            return true;
    return chooser_choose(c, b, r, h, i) != NONE;
}
