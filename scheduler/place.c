/* place.c - step 7: attempts, holds and what is remembered of failures. */
#include "scheduler/place.h"

#include <string.h>

/* The index of the first agent whose id is greater. */
static uint32_t turn_after(const struct snapshot *s, const char *id)
{
    uint32_t low = 0, high = s->n_agents;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(s->agents[middle].id, id) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void placer_init(struct placer *p, const struct snapshot *s, const struct policy *policy,
                 bool plain_scan, struct arena *a)
{
    *p = (struct placer){.snapshot = s,
                         .policy = policy,
                         .arena = a,
                         .shapes = shapes_create(s, policy, a),
                         .real = book_create(s, policy, false, a),
                         .cursors = arena_new(a, struct cursor, s->n_archs),
                         .designated = arena_new(a, bool, s->n_agents),
                         .touched = arena_new(a, uint64_t, s->n_agents),
                         .own = arena_new(a, uint32_t, s->n_agents)};
    chooser_init(&p->chooser, s, policy, plain_scan, a);
    for (uint32_t i = 0; i < s->n_rr_cursors; i++) {
        const char *id = s->rr_cursors[i].agent_id;
        p->cursors[s->rr_cursors[i].arch] =
            (struct cursor){.agent_id = id, .turn = turn_after(s, id)};
    }
}

/* --- one requirement --- */

static void session_enter(struct placer *p, struct book *b, const struct shape *h)
{
    for (uint32_t i = 0; i < h->n_designated; i++)
        p->designated[h->designated[i]] = true;
    if (h->group != NONE)
        members_enter(&b->members, h->group);
}

static void session_leave(struct placer *p, const struct shape *h)
{
    for (uint32_t i = 0; i < h->n_designated; i++)
        p->designated[h->designated[i]] = false;
}

static void requirement_fill(const struct placer *p, const struct book *b, uint32_t session,
                             const struct shape *h, uint32_t i, struct requirement *ret)
{
    const struct session *x = &p->snapshot->sessions[session];
    const struct demand *d = h->demands[i];
    *ret = (struct requirement){
        .session = session,
        .first_kernel = x->first_kernel + (h->multi_node ? i : 0),
        .n_kernels = h->multi_node ? 1 : x->n_kernels,
        .arch = d->arch,
        .containers = d->containers,
        .request = d->request,
        .asked = d->slots->asked,
        .priority = d->slots->priority,
        .n_asked = d->slots->n,
        .designated = h->n_designated_stored > 0 ? p->designated : NULL,
        .designated_strict = h->designated_strict,
        .group = h->group != NONE ? &p->snapshot->session_groups[h->group] : NULL,
        .members = h->group != NONE ? b->members.count : NULL,
        .n_holders = b->members.n_holders,
        .turn = p->cursors[d->arch].turn,
    };
}

/* --- attempts --- */

static void step_hold(struct placer *p, struct book *b, const struct shape *h, uint32_t i,
                      uint32_t agent)
{
    const struct demand *d = h->demands[i];
    struct step *step = &p->steps[i];
    *step = (struct step){.agent = agent, .cursor_before = p->cursors[d->arch]};
    if (agent == NONE)
        return;
    book_hold(b, agent, d, 1);
    if (p->policy->selector.plugin->selector.scope == SELECT_IN_TURN)
        p->cursors[d->arch] =
            (struct cursor){.agent_id = p->snapshot->agents[agent].id, .turn = agent + 1};
    if (h->group != NONE && p->own[agent] != p->serial) {
        members_add(&b->members, agent, 1);
        step->counted = true;
    }
    p->own[agent] = p->serial;
}

uint32_t placer_attempt(struct placer *p, struct book *b, uint32_t session, const struct shape *h,
                        struct report *report)
{
    uint32_t failed = 0;
    p->serial++;
    p->steps = arena_grow(p->arena, p->steps, &p->steps_cap, h->n_demands, sizeof(*p->steps));
    session_enter(p, b, h);
    for (uint32_t i = 0; i < h->n_demands; i++) {
        struct requirement r;
        requirement_fill(p, b, session, h, i, &r);
        uint32_t agent = NONE;
        if (failed == 0 || report != NULL)
            agent = chooser_choose(&p->chooser, b, &r, h, i);
        failed += agent == NONE;
        step_hold(p, b, h, i, agent);
        if (report == NULL)
            continue;
        if (agent != NONE)
            report->last = NULL;
        else if (report->last != h->demands[i])
            placer_cause(p, b, &r, report);
        if (agent == NONE)
            report->last = h->demands[i];
    }
    session_leave(p, h);
    return failed;
}

void placer_undo(struct placer *p, struct book *b, const struct shape *h)
{
    for (uint32_t i = h->n_demands; i-- > 0;) {
        const struct step *step = &p->steps[i];
        if (step->agent == NONE)
            continue;
        book_hold(b, step->agent, h->demands[i], -1);
        if (step->counted)
            members_add(&b->members, step->agent, -1);
        p->cursors[h->demands[i]->arch] = step->cursor_before;
    }
}

/* Whether the shape would find a place in the book. With one requirement nothing need be held. */
static bool fits(struct placer *p, struct book *b, uint32_t session, const struct shape *h)
{
    struct requirement r;
    if (h->n_demands > 1) {
        uint32_t failed = placer_attempt(p, b, session, h, NULL);
        placer_undo(p, b, h);
        return failed == 0;
    }
    session_enter(p, b, h);
    requirement_fill(p, b, session, h, 0, &r);
    const bool fit = chooser_fits(&p->chooser, b, &r, h, 0);
    session_leave(p, h);
    return fit;
}

/* --- what is remembered --- */

/* Whether the outcome hangs on the round-robin cursors: then "never" may change its mind. */
static bool hangs_on_cursors(const struct placer *p, const struct shape *h)
{
    return h->n_demands > 1 && p->policy->selector.plugin->selector.scope == SELECT_IN_TURN;
}

static bool fits_never(struct placer *p, uint32_t session, struct shape *h)
{
    struct shape_memory *memory = &h->memory;
    if (memory->never != NEVER_UNTESTED && !hangs_on_cursors(p, h) && !p->chooser.plain_scan)
        return memory->never == NEVER_YES;
    if (p->empty == NULL)
        p->empty = book_create(p->snapshot, p->policy, true, p->arena);
    bool never = !fits(p, p->empty, session, h);
    memory->never = never ? NEVER_YES : NEVER_NO;
    if (never)
        placer_why(p, p->empty, session, h, &memory->causes, &memory->n_causes, &memory->anchor);
    return never;
}

/* The causes of the last failure stand when nothing was placed since. Those of a dead shape stand
 * as long as the agent they speak of is untouched: the others only got worse. (Not so with a
 * session group, where the first member can exclude an agent that nobody touched.) */
static bool failure_stands(const struct placer *p, const struct shape *h)
{
    const struct shape_memory *memory = &h->memory;
    if (memory->failed_at == 0 || p->chooser.plain_scan)
        return false;
    if (memory->failed_at == p->commits + 1)
        return true;
    return memory->dead && h->group == NONE && memory->anchor != NONE &&
           p->touched[memory->anchor] < memory->failed_at;
}

static enum outcome fail(struct placer *p, uint32_t session, struct shape *h)
{
    struct shape_memory *memory = &h->memory;
    /* Room only shrinks in a round, so who had no place for one requirement has none later. Not so
     * with several: when the first goes elsewhere, the second may find its place. */
    memory->dead = h->n_demands == 1 && p->policy->only_builtin_filters;
    if (fits_never(p, session, h))
        return OUTCOME_INFEASIBLE;
    if (!failure_stands(p, h))
        placer_why(p, p->real, session, h, &memory->causes, &memory->n_causes, &memory->anchor);
    memory->failed_at = p->commits + 1;
    return OUTCOME_WAITING;
}

static void commit(struct placer *p, uint32_t session, const struct shape *h,
                   struct placement *ret_placements)
{
    const struct session *x = &p->snapshot->sessions[session];
    p->commits++;
    for (uint32_t k = 0; k < x->n_kernels; k++) {
        uint32_t agent = p->steps[h->multi_node ? k : 0].agent;
        ret_placements[k] = (struct placement){.kernel = x->first_kernel + k, .agent = agent};
        p->touched[agent] = p->commits;
    }
}

static const struct cause no_agents = {.kind = CAUSE_NO_AGENTS,
                                       .plugin = "agents",
                                       .subject = "",
                                       .message =
                                           "No agent of this group is alive and schedulable.",
                                       .retryable = true};

enum outcome placer_place(struct placer *p, uint32_t session, struct placement *ret_placements,
                          const struct cause **ret_causes, uint32_t *ret_n_causes)
{
    struct shape *h = shapes_of(p->shapes, session);
    *ret_n_causes = 1;
    if (h->fault != SHAPE_FINE) {
        *ret_causes = placer_fault(p->snapshot, session, h->fault, p->arena);
        return OUTCOME_INVALID;
    }
    if (p->chooser.scan.n_candidates == 0) {
        *ret_causes = &no_agents;
        return OUTCOME_WAITING;
    }
    bool known = (h->memory.dead && !p->chooser.plain_scan) || failure_stands(p, h);
    if (!known && placer_attempt(p, p->real, session, h, NULL) == 0) {
        commit(p, session, h, ret_placements);
        *ret_causes = NULL;
        *ret_n_causes = 0;
        return OUTCOME_SCHEDULED;
    }
    if (!known)
        placer_undo(p, p->real, h);
    enum outcome outcome = fail(p, session, h);
    *ret_causes = h->memory.causes;
    *ret_n_causes = h->memory.n_causes;
    return outcome;
}

/* --- previews --- */

void placer_put(struct placer *p, uint32_t session, const struct placement *placements)
{
    const struct shape *h = shapes_of(p->shapes, session);
    p->serial++;
    p->steps = arena_grow(p->arena, p->steps, &p->steps_cap, h->n_demands, sizeof(*p->steps));
    session_enter(p, p->real, h);
    for (uint32_t i = 0; i < h->n_demands; i++) {
        step_hold(p, p->real, h, i, placements[h->multi_node ? i : 0].agent);
        p->touched[p->steps[i].agent] = p->commits + 1;
    }
    session_leave(p, h);
    p->commits++;
}

void placer_take_back(struct placer *p, uint32_t session)
{
    const struct shape *h = shapes_of(p->shapes, session);
    placer_undo(p, p->real, h);
    for (uint32_t i = 0; i < h->n_demands; i++)
        p->touched[p->steps[i].agent] = 0;
    p->commits--;
}

void placer_requirement(struct placer *p, uint32_t session, uint32_t i, struct requirement *ret)
{
    const struct shape *h = shapes_of(p->shapes, session);
    session_enter(p, p->real, h);
    requirement_fill(p, p->real, session, h, i, ret);
}

void placer_requirement_done(struct placer *p, uint32_t session)
{
    session_leave(p, shapes_of(p->shapes, session));
}

uint32_t placer_first_failure(struct placer *p, uint32_t session)
{
    const struct shape *h = shapes_of(p->shapes, session);
    uint32_t first = 0;
    if (placer_attempt(p, p->real, session, h, NULL) > 0)
        while (p->steps[first].agent != NONE)
            first++;
    placer_undo(p, p->real, h);
    return first;
}
