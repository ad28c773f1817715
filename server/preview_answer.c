/* preview_answer.c - an explanation -> the answer of PreviewAllocation. */
#include "server/preview_answer.h"

#include "server/convert.h"
#include "server/page_token.h"
#include "server/remedies.h"

static Berth__V1__AgentVerdict *agent_message(const struct preview_found *f,
                                              const struct agent_row *row, struct arena *a)
{
    const struct snapshot *s = f->snapshot;
    Berth__V1__AgentVerdict *m = message_new(a, Berth__V1__AgentVerdict, berth__v1__agent_verdict);
    m->agent_id = convert_text(s->agents[row->agent].id);
    m->fits = row->fits;
    m->causes = convert_causes(s, row->causes, row->n_causes, a, &m->n_causes);
    m->remaining = convert_slots(s, row->remaining, snapshot_row(s, s->agent_capacity, row->agent),
                                 a, &m->n_remaining);
    return m;
}

static void count_causes(const struct preview_found *f, struct arena *a,
                         Berth__V1__PreviewAllocationResponse *m)
{
    m->agents_by_cause = arena_new(a, Berth__V1__CauseCount *, N_CAUSE_KINDS);
    for (unsigned kind = CAUSE_NONE + 1; kind < N_CAUSE_KINDS; kind++) {
        if (f->x->by_cause[kind] == 0)
            continue;
        Berth__V1__CauseCount *count =
            message_new(a, Berth__V1__CauseCount, berth__v1__cause_count);
        count->kind = (Berth__V1__CauseKind)kind;
        count->count = f->x->by_cause[kind];
        m->agents_by_cause[m->n_agents_by_cause++] = count;
    }
}

static void page_of_agents(const struct preview_found *f, struct arena *a,
                           Berth__V1__PreviewAllocationResponse *m)
{
    uint32_t n = f->x->n_agents, end = f->from + n;
    m->agents = arena_new(a, Berth__V1__AgentVerdict *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        m->agents[i] = agent_message(f, &f->x->agents[i], a);
    m->n_agents = n;
    if (end < f->snapshot->n_agents) {
        const char *last = m->agents[n - 1]->agent_id;
        const struct page_token next = {.position = end, .before = &last, .n_before = 1};
        m->next_page_token = page_token_encode(f->scope, &next, a);
    }
    count_causes(f, a, m);
}

Berth__V1__PreviewAllocationResponse *preview_answer(const struct preview_found *f, struct arena *a)
{
    const struct decision *d = &f->x->decision;
    Berth__V1__PreviewAllocationResponse *m = message_new(a, Berth__V1__PreviewAllocationResponse,
                                                          berth__v1__preview_allocation_response);
    m->verdict = (Berth__V1__PreviewVerdict)f->x->verdict;
    if (f->x->verdict == VERDICT_FITS)
        m->allocations = convert_placements(f->snapshot, f->x->placements + d->first_placement,
                                            d->n_placements, f->stored, a, &m->n_allocations);
    m->causes = convert_causes(f->snapshot, d->causes, d->n_causes, a, &m->n_causes);
    if (f->stored && f->x->queue_position != NONE)
        m->queue_position = f->x->queue_position + 1;
    m->snapshot_time = convert_time(f->snapshot->observed_at, a);
    if (f->remedies != NULL)
        remedies_convert(f->snapshot, f->remedies, a, m);
    if (f->agents)
        page_of_agents(f, a, m);
    return m;
}

_Static_assert((int)VERDICT_EXPIRED == (int)BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_EXPIRED,
               "verdicts have the numbers of the contract");
