/* round.c - one scheduling pass: steps 3 to 8. */
#include "scheduler/round.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/engine.h"
#include "scheduler/queue.h"

struct round {
    struct engine engine;
    struct queue *queue;
    struct plan *plan;
    uint32_t offered; /* sessions that were tried */
};

/* The next decision of the plan, to be filled. */
static struct decision *next_decision(struct plan *p)
{
    return &p->decisions[p->n_decisions++];
}

/* Step 3, and the sessions that cannot be read. */
static void decide_excluded(struct round *r)
{
    const struct snapshot *s = r->engine.snapshot;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (r->engine.ledger.expired[i])
            (void)engine_exclude(&r->engine, i, next_decision(r->plan));
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (!r->engine.ledger.expired[i] && s->sessions[i].bad_data != NULL)
            (void)engine_exclude(&r->engine, i, next_decision(r->plan));
}

/* Steps 6 to 8 for one session. */
static void decide(struct round *r, uint32_t session)
{
    struct plan *p = r->plan;
    struct decision *d = next_decision(p);
    engine_decide(&r->engine, session, d, p->placements + p->n_placements);
    if (d->outcome == OUTCOME_SCHEDULED) {
        d->first_placement = p->n_placements;
        p->n_placements += d->n_placements;
        queue_placed(r->queue, session);
    }
    if (d->outcome == OUTCOME_WAITING && r->engine.policy->queue_policy == QUEUE_STOP_AT_FIRST)
        queue_end(r->queue, QUEUE_END_WAITING);
}

static int decide_queue(struct round *r, const struct round_limits *limits,
                        const struct round_hooks *hooks, struct err *e)
{
    for (;; r->offered++) {
        bool used_up =
            limits != NULL && limits->max_sessions > 0 && r->offered >= limits->max_sessions;
        if (used_up || (hooks != NULL && hooks->stop != NULL && hooks->stop(hooks->ctx)))
            queue_end(r->queue, QUEUE_END_LIMIT);
        uint32_t session = NONE;
        if (queue_next(r->queue, &session, e) < 0)
            return -1;
        engine_lap(&r->engine, PHASE_ORDER);
        if (session == NONE)
            return 0;
        decide(r, session);
    }
}

static void decide_skipped(struct round *r)
{
    uint32_t n = 0;
    const uint32_t *sessions = queue_sessions(r->queue, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (queue_was_offered(r->queue, sessions[i]))
            continue;
        const struct cause *why = queue_skip_cause(r->queue, sessions[i]);
        *next_decision(r->plan) = (struct decision){
            .session = sessions[i], .outcome = OUTCOME_SKIPPED, .causes = why, .n_causes = 1};
        if (why->kind == CAUSE_ROUND_LIMIT) {
            r->plan->stopped = true;
            r->plan->stopped_after = r->offered;
        }
    }
}

static int by_arch_name(const void *a, const void *b, void *ctx)
{
    const struct rr_cursor *x = a, *y = b;
    const struct snapshot *s = ctx;
    return strcmp(s->archs[x->arch], s->archs[y->arch]);
}

static void list_cursors(struct round *r)
{
    const struct snapshot *s = r->engine.snapshot;
    struct plan *p = r->plan;
    p->rr_cursors = arena_new(r->engine.arena, struct rr_cursor, s->n_archs);
    for (uint32_t i = 0; i < s->n_archs; i++)
        if (r->engine.placer.cursors[i].agent_id != NULL)
            p->rr_cursors[p->n_rr_cursors++] =
                (struct rr_cursor){.arch = i, .agent_id = r->engine.placer.cursors[i].agent_id};
    qsort_r(p->rr_cursors, p->n_rr_cursors, sizeof(*p->rr_cursors), by_arch_name, (void *)s);
}

static struct plan *plan_create(const struct snapshot *s, const struct policy *policy,
                                struct arena *a)
{
    struct plan *p = arena_new(a, struct plan, 1);
    p->decisions = arena_new(a, struct decision, s->n_sessions);
    p->placements = arena_new(a, struct placement, s->n_kernels);
    p->validators = policy->validator_names;
    p->n_validators = policy->validators.n;
    return p;
}

int round_run(const struct snapshot *s, const struct policy *p, const struct round_limits *limits,
              const struct round_hooks *hooks, struct arena *a, struct plan **ret,
              int64_t phase_ns[N_ROUND_PHASES], struct err *e)
{
    struct round *r = arena_new(a, struct round, 1);
    struct engine *g = &r->engine;
    bool timed = hooks != NULL && hooks->clock != NULL && phase_ns != NULL;
    int64_t start_ns = timed ? hooks->clock(hooks->ctx) : 0;
    if (phase_ns != NULL)
        memset(phase_ns, 0, N_ROUND_PHASES * sizeof(*phase_ns));
    engine_init(g, s, p, limits != NULL && limits->plain_scan, a);
    g->hooks = hooks;
    g->phase_ns = timed ? phase_ns : NULL;
    g->last_ns = start_ns;
    r->plan = plan_create(s, p, a);
    decide_excluded(r);
    engine_lap(g, PHASE_EXPIRE);
    r->queue = queue_create(&g->ledger.view, p, false, a);
    if (decide_queue(r, limits, hooks, e) < 0)
        return -1;
    decide_skipped(r);
    list_cursors(r);
    for (uint32_t i = 0; i < r->plan->n_decisions; i++)
        r->plan->counts[r->plan->decisions[i].outcome]++;
    r->plan->hash = plan_hash(s, r->plan);
    engine_lap(g, PHASE_ORDER);
    *ret = r->plan;
    return 0;
}

struct offers {
    uint32_t made, most;
};

static bool offers_are_made(void *ctx)
{
    struct offers *o = ctx;
    return o->made++ == o->most;
}

int round_replay(const struct snapshot *s, const struct policy *p, const struct plan *then,
                 struct arena *a, struct plan **ret, struct err *e)
{
    struct offers offers = {.most = then != NULL ? then->stopped_after : 0};
    const struct round_hooks hooks = {
        .ctx = &offers, .stop = then != NULL && then->stopped ? offers_are_made : NULL};
    return round_run(s, p, NULL, &hooks, a, ret, NULL, e);
}

int round_order(const struct snapshot *s, const struct policy *p, struct arena *a, uint32_t **ret,
                struct err *e)
{
    struct ledger ledger;
    ledger_init(&ledger, s, a);
    struct queue *q = queue_create(&ledger.view, p, true, a);
    uint32_t *order = arena_new(a, uint32_t, s->n_sessions), n = 0, session = NONE, n_queue = 0;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (ledger.expired[i])
            order[n++] = i;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (!ledger.expired[i] && s->sessions[i].bad_data != NULL)
            order[n++] = i;
    do {
        if (queue_next(q, &session, e) < 0)
            return -1;
        if (session != NONE)
            order[n++] = session;
    } while (session != NONE);
    const uint32_t *sessions = queue_sessions(q, &n_queue);
    for (uint32_t i = 0; i < n_queue; i++)
        if (!queue_was_offered(q, sessions[i]))
            order[n++] = sessions[i];
    *ret = order;
    return 0;
}
