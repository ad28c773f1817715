/* call_check.c - what is true of every answer. */
#include "tests/fuzz/call_check.h"

#include "tests/fuzz/fuzz.h"

static void check_amount(const struct snapshot *s, const Berth__V1__SlotAmount *m)
{
    int64_t amount = 0;
    const uint32_t slot = snapshot_find_slot(s, m->slot);
    FUZZ_REQUIRE(slot != NONE, "an allocation of \"%s\"", m->slot);
    FUZZ_REQUIRE(amount_parse(m->amount, strlen(m->amount), s->slots[slot].type, &amount) ==
                         AMOUNT_OK &&
                     amount > 0,
                 "an allocation of %s %s", m->amount, m->slot);
}

static void check_allocations(const struct snapshot *s, const struct session *session,
                              Berth__V1__KernelAllocation *const *rows, size_t n)
{
    FUZZ_REQUIRE(n == session->n_kernels, "%zu allocations for %u kernels", n, session->n_kernels);
    for (size_t i = 0; i < n; i++) {
        const uint32_t agent = snapshot_find_agent(s, rows[i]->agent_id);
        FUZZ_REQUIRE(agent != NONE && agent_is_candidate(&s->agents[agent]),
                     "an allocation on \"%s\"", rows[i]->agent_id);
        for (size_t k = 0; k < rows[i]->n_slots; k++)
            check_amount(s, rows[i]->slots[k]);
    }
}

static void check_causes(Berth__V1__Cause *const *causes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        FUZZ_REQUIRE(causes[i]->message[0] != '\0' &&
                         causes[i]->kind != BERTH__V1__CAUSE_KIND__CAUSE_KIND_UNSPECIFIED,
                     "a cause of kind %d without a sentence", (int)causes[i]->kind);
}

static const struct session *find_session(const struct snapshot *s, const char *id)
{
    struct uuid u;
    FUZZ_REQUIRE(uuid_parse(id, &u), "\"%s\" is the id of a session", id);
    const uint32_t i = snapshot_find_session(s, &u);
    FUZZ_REQUIRE(i != NONE, "%s is no session of the snapshot", id);
    return &s->sessions[i];
}

static void check_counts(const Berth__V1__OutcomeCounts *c, const struct snapshot *s)
{
    const uint32_t sum = c->scheduled + c->waiting + c->blocked + c->infeasible + c->invalid +
                         c->expired + c->cancelled + c->conflict + c->skipped;
    FUZZ_REQUIRE(c->pending == s->n_sessions && sum == s->n_sessions && c->conflict == 0,
                 "counts of %u, and %u together, for %u sessions", c->pending, sum, s->n_sessions);
}

void call_check_round(const struct snapshot *s, const Berth__V1__ScheduleScalingGroupRequest *q,
                      const struct plan *p, const Berth__V1__ScheduleScalingGroupResponse *m)
{
    const bool decisions = q->view == BERTH__V1__ROUND_VIEW__ROUND_VIEW_DECISIONS;
    const uint32_t most = decisions ? q->max_decisions : 0;
    const uint32_t n = p->n_decisions < most ? p->n_decisions : most;
    check_counts(m->counts, s);
    FUZZ_REQUIRE(m->n_decisions == n, "%zu decisions told, of %u", m->n_decisions, n);
    FUZZ_REQUIRE(!!m->decisions_truncated == (decisions && n < p->n_decisions),
                 "%zu of %u decisions, truncated: %d", m->n_decisions, p->n_decisions,
                 m->decisions_truncated);
    for (size_t i = 0; i < m->n_decisions; i++) {
        const Berth__V1__SessionDecision *d = m->decisions[i];
        const struct session *session = find_session(s, d->session_id);
        FUZZ_REQUIRE((int)d->outcome == (int)p->decisions[i].outcome &&
                         session == &s->sessions[p->decisions[i].session],
                     "decision %zu is %d about %s", i, (int)d->outcome, d->session_id);
        check_causes(d->causes, d->n_causes);
        if (p->decisions[i].outcome == OUTCOME_SCHEDULED)
            check_allocations(s, session, d->allocations, d->n_allocations);
        else
            FUZZ_REQUIRE(d->n_allocations == 0 && d->n_causes > 0,
                         "%s is %s with %zu allocations and %zu causes", d->session_id,
                         outcome_name(p->decisions[i].outcome), d->n_allocations, d->n_causes);
    }
}

void call_check_preview(const struct snapshot *s, const struct session *session,
                        const Berth__V1__PreviewAllocationResponse *m)
{
    const bool fits = m->verdict == BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS;
    FUZZ_REQUIRE(fits == (m->n_causes == 0), "verdict %d with %zu causes", (int)m->verdict,
                 m->n_causes);
    FUZZ_REQUIRE(m->queue_position <= s->n_sessions, "place %u of %u", m->queue_position,
                 s->n_sessions);
    check_causes(m->causes, m->n_causes);
    if (fits)
        check_allocations(s, session, m->allocations, m->n_allocations);
    else
        FUZZ_REQUIRE(m->n_allocations == 0, "what does not fit has a place");
}
