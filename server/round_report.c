/* round_report.c - what a round tells besides its answer. */
#include "server/round_report.h"

#include <string.h>

#include "server/log.h"
#include "server/metrics.h"

enum { NS_PER_US = 1000 };

void report_log(const struct round_report *r)
{
    const uint32_t *counts = r->plan->counts;
    int64_t total_ns = 0;
    for (unsigned i = 0; i < N_REPORT_PHASES; i++)
        total_ns += r->phase_ns[i];
    log_info("round finished", LOG_STR("group", r->scaling_group), LOG_NUM("epoch", r->epoch),
             LOG_NUM("sessions", r->plan->n_decisions),
             LOG_NUM("scheduled", counts[OUTCOME_SCHEDULED]),
             LOG_NUM("conflict", counts[OUTCOME_CONFLICT]), LOG_NUM("us", total_ns / NS_PER_US));
}

char *report_phases_json(const struct round_report *r, struct arena *a)
{
    char *json = arena_strdup(a, "");
    for (unsigned i = 0; i < REPORT_COMMIT; i++)
        json = arena_printf(a, "%s%c\"%s\": %lld", json, i == 0 ? '{' : ',', report_phase_name(i),
                            (long long)r->phase_ns[i] / NS_PER_US);
    return arena_printf(a, "%s}", json);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static enum metric_round how_it_ended(const struct round_report *r, const struct round_input *in,
                                      int rc, const struct err *e)
{
    static const enum metric_round by_code[N_ERR_CODES] = {
        [ERR_NONE] = METRIC_ROUND_FAILED,         [ERR_INVALID] = METRIC_ROUND_REFUSED,
        [ERR_NOT_FOUND] = METRIC_ROUND_REFUSED,   [ERR_EXISTS] = METRIC_ROUND_REFUSED,
        [ERR_CONFLICT] = METRIC_ROUND_CONFLICT,   [ERR_PRECONDITION] = METRIC_ROUND_REFUSED,
        [ERR_EXHAUSTED] = METRIC_ROUND_FAILED,    [ERR_UNAVAILABLE] = METRIC_ROUND_UNAVAILABLE,
        [ERR_TIMEOUT] = METRIC_ROUND_TIMEOUT,     [ERR_OUT_OF_RANGE] = METRIC_ROUND_FAILED,
        [ERR_CANCELLED] = METRIC_ROUND_CANCELLED, [ERR_UNIMPLEMENTED] = METRIC_ROUND_FAILED,
        [ERR_INTERNAL] = METRIC_ROUND_FAILED,
    };
    if (rc < 0)
        return by_code[e->code];
    if (r->plan == NULL)
        return METRIC_ROUND_REPEATED;
    return in->validate_only ? METRIC_ROUND_PLANNED : METRIC_ROUND_OK;
}

static void count_phases(const struct round_report *r, bool all)
{
    for (unsigned i = 0; i < N_REPORT_PHASES; i++)
        if (all || r->phase_ns[i] > 0)
            metric_observe(METRIC_round_phase_seconds, i, r->phase_ns[i]);
}

/* One addition a series: a round has very many decisions of few kinds. */
static void count_decisions(const struct plan *p)
{
    uint32_t causes[N_OUTCOMES][N_CAUSE_KINDS] = {{0}};
    for (uint32_t i = 0; i < p->n_decisions; i++)
        for (uint32_t k = 0; k < p->decisions[i].n_causes; k++)
            causes[p->decisions[i].outcome][p->decisions[i].causes[k].kind]++;
    for (unsigned i = 0; i < N_OUTCOMES * N_CAUSE_KINDS; i++)
        metric_add2(METRIC_causes_total, i / N_CAUSE_KINDS, i % N_CAUSE_KINDS,
                    causes[i / N_CAUSE_KINDS][i % N_CAUSE_KINDS]);
    for (unsigned i = 0; i < N_OUTCOMES; i++)
        metric_add(METRIC_decisions_total, i, p->counts[i]);
    metric_add(METRIC_commit_conflicts_total, 0, p->counts[OUTCOME_CONFLICT]);
}

static bool stays_pending(enum outcome o)
{
    return o != OUTCOME_SCHEDULED && o != OUTCOME_EXPIRED && o != OUTCOME_CANCELLED;
}

static enum metric_agent agent_state(const struct agent *a)
{
    if (agent_is_candidate(a))
        return METRIC_AGENT_READY;
    if (!a->alive)
        return METRIC_AGENT_AWAY;
    return a->schedulable ? METRIC_AGENT_UNREADABLE : METRIC_AGENT_UNSCHEDULABLE;
}

static void add_row(int64_t *sums, const int64_t *row, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sums[i] = amount_add(sums[i], row[i]);
}

/* Agents by state, and what the ready ones have and hold, with what this round placed on them. */
static void count_agents(const struct round_report *r, struct metrics_group *g, struct arena *a)
{
    const struct snapshot *s = r->snapshot;
    int64_t *capacity = arena_new(a, int64_t, s->n_slots);
    int64_t *held = arena_new(a, int64_t, s->n_slots);
    for (uint32_t i = 0; i < s->n_agents; i++) {
        enum metric_agent state = agent_state(&s->agents[i]);
        g->agents[state]++;
        if (state != METRIC_AGENT_READY)
            continue;
        add_row(capacity, snapshot_row(s, s->agent_capacity, i), s->n_slots);
        add_row(held, snapshot_row(s, s->agent_held, i), s->n_slots);
    }
    for (uint32_t i = 0; i < r->plan->n_decisions; i++) {
        const struct decision *d = &r->plan->decisions[i];
        for (uint32_t k = 0; d->outcome == OUTCOME_SCHEDULED && k < d->n_placements; k++) {
            uint32_t kernel = r->plan->placements[d->first_placement + k].kernel;
            add_row(held, snapshot_request(s, kernel), s->n_slots);
        }
    }
    g->n_slots = s->n_slots;
    g->slots = s->slots;
    g->capacity = capacity;
    g->held = held;
}

static void count_group(const struct round_report *r, struct arena *a)
{
    const struct snapshot *s = r->snapshot;
    struct metrics_group g = {.seen_at_ns = s->observed_at * NS_PER_US};
    int64_t oldest = s->observed_at;
    for (uint32_t i = 0; i < r->plan->n_decisions; i++) {
        const struct decision *d = &r->plan->decisions[i];
        const int64_t since = s->sessions[d->session].pending_since;
        if (d->outcome == OUTCOME_SCHEDULED)
            metric_observe(METRIC_scheduled_wait_seconds, 0,
                           since < s->observed_at ? (s->observed_at - since) * NS_PER_US : 0);
        if (!stays_pending(d->outcome))
            continue;
        g.pending++;
        if (since < oldest)
            oldest = since;
    }
    g.oldest_ns = (s->observed_at - oldest) * NS_PER_US;
    count_agents(r, &g, a);
    metrics_group_set(r->scaling_group, &g);
}

void report_count(const struct round_report *r, const struct round_input *in, struct arena *a,
                  int rc, const struct err *e)
{
    enum metric_round ended = how_it_ended(r, in, rc, e);
    metric_add(METRIC_rounds_total, ended, 1);
    count_phases(r, ended == METRIC_ROUND_OK);
    if (ended == METRIC_ROUND_OK) {
        count_decisions(r->plan);
        count_group(r, a);
    }
    if (rc == 0)
        return;
    if (e->code == ERR_NOT_FOUND)
        metrics_group_forget(r->scaling_group);
    if (e->reason != NULL && strcmp(e->reason, "FENCED") == 0)
        metric_add(METRIC_epoch_fenced_total, 0, 1);
}
