/* explain.c - previews: what the next round would do with one session, and why, agent by agent. The
 * rules are those of the round, asked through the same code. */
#include <inttypes.h>
#include <string.h>

#include "scheduler/cause.h"
#include "scheduler/engine.h"
#include "scheduler/explain.h"
#include "scheduler/queue.h"
#include "scheduler/round.h"

static const enum verdict verdicts[N_OUTCOMES] = {
    [OUTCOME_SCHEDULED] = VERDICT_FITS,    [OUTCOME_WAITING] = VERDICT_WAITS,
    [OUTCOME_BLOCKED] = VERDICT_BLOCKED,   [OUTCOME_INFEASIBLE] = VERDICT_INFEASIBLE,
    [OUTCOME_INVALID] = VERDICT_INVALID,   [OUTCOME_EXPIRED] = VERDICT_EXPIRED,
    [OUTCOME_CANCELLED] = VERDICT_BLOCKED, [OUTCOME_SKIPPED] = VERDICT_WAITS,
};

/* --- agent rows --- */

static void unavailable_add(struct cause_list *l, const struct agent *agent)
{
    l->plugin = "agents";
    if (agent->bad_data != NULL)
        (void)cause_add(l, CAUSE_AGENT_UNAVAILABLE, agent->id, agent->bad_data);
    else
        (void)cause_addf(l, CAUSE_AGENT_UNAVAILABLE, agent->id, "%s is not %s.", agent->id,
                         agent->alive ? "schedulable" : "alive");
}

/* Every filter is asked about every agent, whatever the others said. r NULL: nothing to ask.
 * remaining: the agent's row. */
static void fill_row(const struct engine *g, const struct requirement *r, uint32_t agent,
                     const int64_t *remaining, struct agent_row *row,
                     uint32_t by_cause[N_CAUSE_KINDS])
{
    const struct room *m = &g->placer.real->room;
    const struct chosen_list *filters = &g->policy->filters;
    struct entrants who = {.agents = &agent, .n = 1, .whole = false};
    struct cause_list l = {.arena = g->arena};
    bool counted[N_CAUSE_KINDS] = {false};
    uint32_t about = NONE;
    if (!agent_is_candidate(&g->snapshot->agents[agent]))
        unavailable_add(&l, &g->snapshot->agents[agent]);
    for (uint32_t i = 0; r != NULL && i < filters->n; i++) {
        const struct chosen *f = &filters->items[i];
        if (!filter_applies(f, m, r) || f->plugin->filter.keep(m, r, f->options, agent))
            continue;
        struct cause c = filter_cause(f, m, r, &who, g->arena, &about);
        cause_push(&l, &c);
    }
    *row = (struct agent_row){.agent = agent,
                              .fits = r != NULL && l.n == 0,
                              .causes = l.items,
                              .n_causes = (uint32_t)l.n,
                              .remaining = remaining};
    for (size_t i = 0; i < l.n; i++)
        if (!counted[l.items[i].kind]) {
            counted[l.items[i].kind] = true;
            by_cause[l.items[i].kind]++;
        }
}

/* Counts what an agent fails without saying it: of a built-in filter all causes are of one kind,
 * kinds[filter], found at its first agent. */
static void count_row(const struct engine *g, const struct requirement *r, uint32_t agent,
                      enum cause_kind *kinds, uint32_t by_cause[N_CAUSE_KINDS])
{
    const struct room *m = &g->placer.real->room;
    const struct chosen_list *filters = &g->policy->filters;
    struct entrants who = {.agents = &agent, .n = 1, .whole = false};
    uint64_t counted = 0; /* bit: kind */
    uint32_t about = NONE;
    if (!agent_is_candidate(&g->snapshot->agents[agent]))
        by_cause[CAUSE_AGENT_UNAVAILABLE]++;
    for (uint32_t i = 0; r != NULL && i < filters->n; i++) {
        const struct chosen *f = &filters->items[i];
        if (!filter_applies(f, m, r) || f->plugin->filter.keep(m, r, f->options, agent))
            continue;
        if (kinds[i] == CAUSE_NONE)
            kinds[i] = filter_cause(f, m, r, &who, g->arena, &about).kind;
        if ((counted & UINT64_C(1) << kinds[i]) == 0)
            by_cause[kinds[i]]++;
        counted |= UINT64_C(1) << kinds[i];
    }
}
_Static_assert(N_CAUSE_KINDS <= 64, "kinds are bits");

/* The rows wanted, and the counts of all. */
static void fill_rows(struct engine *g, const struct explain_request *q, struct explanation *x)
{
    const struct snapshot *s = g->snapshot;
    const struct shape *h = shapes_of(g->placer.shapes, q->session);
    struct requirement r;
    uint32_t from = q->first_row < s->n_agents ? q->first_row : s->n_agents;
    uint32_t n = q->n_rows > 0 && q->n_rows < s->n_agents - from ? q->n_rows : s->n_agents - from;
    const int64_t *now = snapshot_row(s, g->placer.real->room.remaining, from);
    const int64_t *remaining = arena_memdup(g->arena, now, (size_t)n * s->n_slots * sizeof(*now));
    enum cause_kind kinds[MAX_PLUGINS_OF_KIND] = {CAUSE_NONE};
    uint32_t unused[N_CAUSE_KINDS] = {0};
    struct agent_row said;
    bool can_ask = h->fault == SHAPE_FINE && s->sessions[q->session].bad_data == NULL;
    if (can_ask)
        placer_requirement(&g->placer, q->session, placer_first_failure(&g->placer, q->session),
                           &r);
    x->n_agents = n;
    x->agents = arena_new(g->arena, struct agent_row, n);
    for (uint32_t i = 0; i < n; i++)
        fill_row(g, can_ask ? &r : NULL, from + i, remaining + (size_t)i * s->n_slots,
                 &x->agents[i], unused);
    for (uint32_t i = 0; i < s->n_agents; i++) {
        if (g->policy->only_builtin_filters)
            count_row(g, can_ask ? &r : NULL, i, kinds, x->by_cause);
        else
            fill_row(g, can_ask ? &r : NULL, i, now, &said, x->by_cause);
    }
    if (can_ask)
        placer_requirement_done(&g->placer, q->session);
}

/* --- the decision --- */

struct preview {
    const struct explain_request *request;
    uint64_t ignored; /* validators that do not run for the session of the preview */
    struct explanation *explanation;
};

static void explain_now(struct engine *g, const struct preview *v)
{
    const struct explain_request *q = v->request;
    struct explanation *x = v->explanation;
    if (q->agents)
        fill_rows(g, q, x);
    g->ignored = v->ignored;
    if (!engine_exclude(g, q->session, &x->decision))
        engine_decide(g, q->session, &x->decision, x->placements);
}

/* The same by a plan that is known: what it places before the session is held, not found again. */
static void explain_by_plan(struct engine *g, const struct preview *v)
{
    const struct explain_request *q = v->request;
    const struct plan *p = q->known.plan;
    const struct decision *d = &p->decisions[q->known.decision_of[q->session]];
    bool skipped = d->outcome == OUTCOME_SKIPPED;
    for (const struct decision *i = p->decisions; i < p->decisions + p->n_decisions && i != d; i++)
        if (i->outcome == OUTCOME_SCHEDULED)
            engine_place(g, i->session, p->placements + i->first_placement);
    if (!skipped) {
        explain_now(g, v);
        return;
    }
    if (q->agents)
        fill_rows(g, q, v->explanation);
    v->explanation->decision = *d;
}

/* Places what the round would place before it, then the session. */
static int explain_after_queue(struct engine *g, const struct preview *v, struct err *e)
{
    const struct explain_request *q = v->request;
    struct explanation *x = v->explanation;
    struct queue *queue = queue_create(&g->ledger.view, g->policy, false, g->arena);
    struct placement *scratch = arena_new(g->arena, struct placement, g->snapshot->n_kernels);
    for (;;) {
        uint32_t session = NONE;
        struct decision d;
        if (queue_next(queue, &session, e) < 0)
            return -1;
        if (session == q->session) {
            explain_now(g, v);
            return 0;
        }
        if (session == NONE)
            break;
        engine_decide(g, session, &d, scratch);
        if (d.outcome == OUTCOME_SCHEDULED)
            queue_placed(queue, session);
        if (d.outcome == OUTCOME_WAITING && g->policy->queue_policy == QUEUE_STOP_AT_FIRST)
            queue_end(queue, QUEUE_END_WAITING);
    }
    if (q->agents)
        fill_rows(g, q, x);
    x->decision = (struct decision){.session = q->session,
                                    .outcome = OUTCOME_SKIPPED,
                                    .causes = queue_skip_cause(queue, q->session),
                                    .n_causes = 1};
    return 0;
}

static int read_ignored(const struct engine *g, const struct explain_request *q,
                        uint64_t *ret_ignored, struct err *e)
{
    *ret_ignored = 0;
    for (uint32_t i = 0; i < q->n_ignore_validators; i++) {
        uint32_t k = 0;
        while (k < g->policy->validators.n &&
               strcmp(g->policy->validator_names[k], q->ignore_validators[i]) != 0)
            k++;
        if (k == g->policy->validators.n)
            return err_field(e, "ignore_validators", "There is no validator \"%.64s\".",
                             q->ignore_validators[i]);
        *ret_ignored |= UINT64_C(1) << k;
    }
    return 0;
}

int explain_decide(struct engine *g, const struct explain_request *q, struct explanation *x,
                   struct err *e)
{
    const struct policy *p = g->policy;
    struct preview v = {.request = q, .explanation = x};
    x->placements =
        arena_new(g->arena, struct placement, g->snapshot->sessions[q->session].n_kernels);
    x->validators = p->validator_names;
    x->n_validators = p->validators.n;
    bool excluded = engine_exclude(g, q->session, &x->decision);
    if (read_ignored(g, q, &v.ignored, e) < 0)
        return -1;
    if (excluded || !q->after_queue)
        explain_now(g, &v);
    else if (q->known.plan != NULL)
        explain_by_plan(g, &v);
    else if (explain_after_queue(g, &v, e) < 0)
        return -1;
    x->verdict = verdicts[x->decision.outcome];
    return 0;
}

int explain_place(struct engine *g, const struct explain_request *q, struct explanation *x,
                  struct err *e)
{
    uint32_t *order = NULL;
    x->queue_position = NONE;
    if (q->is_spec || g->ledger.expired[q->session])
        return 0;
    if (q->known.places != NULL) {
        x->queue_position = q->known.places[q->session];
        return 0;
    }
    if (round_order(g->snapshot, g->policy, g->arena, &order, e) < 0)
        return -1;
    x->queue_position = 0;
    while (order[x->queue_position] != q->session)
        x->queue_position++;
    return 0;
}

/* Whether the plan has the whole answer. */
static bool is_known(const struct explain_request *q)
{
    return q->after_queue && q->known.plan != NULL && q->known.places != NULL && !q->agents &&
           q->n_ignore_validators == 0;
}

static struct explanation *what_is_known(const struct policy *p, const struct explain_request *q,
                                         struct arena *a)
{
    const struct plan *plan = q->known.plan;
    struct explanation *x = arena_new(a, struct explanation, 1);
    *x = (struct explanation){.decision = plan->decisions[q->known.decision_of[q->session]],
                              .queue_position = q->known.places[q->session],
                              .validators = p->validator_names,
                              .n_validators = p->validators.n};
    x->placements = arena_memdup(a, plan->placements + x->decision.first_placement,
                                 x->decision.n_placements * sizeof(*x->placements));
    x->decision.first_placement = 0;
    x->verdict = verdicts[x->decision.outcome];
    if (x->decision.outcome == OUTCOME_EXPIRED)
        x->queue_position = NONE;
    return x;
}

int round_explain(const struct snapshot *s, const struct policy *p, const struct explain_request *q,
                  struct arena *a, struct explanation **ret, struct err *e)
{
    struct engine *g = arena_new(a, struct engine, 1);
    struct explanation *x = arena_new(a, struct explanation, 1);
    if (is_known(q)) {
        *ret = what_is_known(p, q, a);
        return 0;
    }
    engine_init(g, s, p, false, a);
    if (explain_decide(g, q, x, e) < 0 || explain_place(g, q, x, e) < 0)
        return -1;
    *ret = x;
    return 0;
}
