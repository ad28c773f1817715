/* remedy_place.c - remedies for a session that finds no agent.
 *
 * The first requirement that fails is brought onto the agent that needs the least; then the preview
 * is asked again, until all of it fits. What an agent lacks is what the filters say about it alone.
 */
#include "scheduler/remedy_internal.h"
#include "scheduler/remedy_spot.h"

enum { MAX_ROUNDS = 64 }; /* requirements brought onto agents for one remedy */

/* Notes the first requirement that finds nobody, with what the ones before it hold. */
static bool first_failure(const struct finder *f, const struct look *l, struct requirement *ret)
{
    struct placer *p = &l->engine->placer;
    uint32_t session = remedy_world_session(f->world), i = 0;
    const struct shape *h = shapes_of(p->shapes, session);
    if (p->chooser.scan.n_candidates > 0) {
        if (placer_attempt(p, p->real, session, h, NULL) == 0)
            return false;
        while (p->steps[i].agent != NONE)
            i++;
    }
    placer_requirement(p, session, i, ret);
    return true;
}

/* The nth best agent for the requirement. false: there are not so many that could take it. */
static bool choose_spot(const struct spot_question *q, uint32_t nth, struct spot *ret)
{
    struct spot *best = arena_new(q->finder->scratch, struct spot, (size_t)nth + 2);
    uint32_t n = 0;
    for (uint32_t agent = 0; agent < q->room->snapshot->n_agents; agent++) {
        struct spot here;
        if (!spot_weigh(q, agent, &here))
            continue;
        uint32_t at = n;
        for (; at > 0 && spot_is_better(&here, &best[at - 1]); at--)
            best[at] = best[at - 1];
        best[at] = here;
        n += n <= nth;
    }
    if (n <= nth)
        return false;
    *ret = best[nth];
    return true;
}

/* Changes for the requirement that fails now. false: nobody can take it this way. */
static bool add_changes(struct finder *f, const struct look *l, enum spot_way way, uint32_t nth,
                        struct spot_changes *changes)
{
    struct requirement r;
    struct spot spot;
    if (!first_failure(f, l, &r))
        return false;
    const struct spot_question q = {.finder = f,
                                    .room = &l->engine->placer.real->room,
                                    .requirement = &r,
                                    .policy = l->engine->policy,
                                    .way = way};
    if (way == SPOT_NEW_AGENT) {
        spot_new_agent(&q, changes);
        return true;
    }
    if (!choose_spot(&q, nth, &spot))
        return false;
    spot_fix(&q, spot.agent, changes);
    return true;
}

/* How many requirements may have to be brought onto agents. */
static uint32_t rounds_for(const struct finder *f)
{
    const struct snapshot *s = remedy_world_snapshot(f->world);
    const struct session *x = &s->sessions[remedy_world_session(f->world)];
    if (x->mode == CLUSTER_SINGLE_NODE || x->n_kernels <= 1)
        return 1;
    return x->n_kernels < MAX_ROUNDS / 2 ? 2 * x->n_kernels : MAX_ROUNDS;
}

/* One way to place all of it, as one remedy; false: it led nowhere. */
static bool try_way(struct finder *f, enum spot_way way, uint32_t nth)
{
    struct spot_changes changes = {.arena = f->arena};
    struct look look;
    bool placed = false;
    size_t mark = remedy_world_mark(f->world);
    for (uint32_t round = rounds_for(f); finder_look(f, &look); round--) {
        enum outcome outcome = look.x->decision.outcome;
        placed = outcome == OUTCOME_SCHEDULED;
        if (placed || round == 0 || (outcome != OUTCOME_WAITING && outcome != OUTCOME_INFEASIBLE) ||
            !add_changes(f, &look, way, nth, &changes))
            break;
        remedy_world_undo(f->world, mark);
        struct remedy so_far = {.changes = changes.items, .n_changes = (uint32_t)changes.n};
        if (!remedy_apply(f->world, &so_far))
            break;
    }
    remedy_world_undo(f->world, mark);
    return placed && changes.n > 0 &&
           finder_offer(f, f->stage, (uint32_t)f->n_causes - f->stage, changes.items,
                        (uint32_t)changes.n);
}

/* Whether a rule keeps it off agents that have room. */
static bool is_limited(const struct finder *f)
{
    const struct snapshot *s = remedy_world_snapshot(f->world);
    const struct session *x = &s->sessions[remedy_world_session(f->world)];
    return (x->designated_strict && x->rare->n_designated > 0) ||
           (x->group != NONE && s->session_groups[x->group].strict) ||
           remedy_world_policy(f->world)->max_containers > 0;
}

static bool is_short(const struct finder *f)
{
    for (size_t i = f->stage; i < f->n_causes; i++)
        if (f->causes[i].kind == CAUSE_CAPACITY || f->causes[i].kind == CAUSE_INFEASIBLE)
            return true;
    return false;
}

void remedies_for_place(struct finder *f)
{
    uint32_t several = rounds_for(f) == 1 ? f->limits.max_agents : 1;
    if (is_short(f))
        (void)try_way(f, SPOT_ASK_LESS, 0);
    for (uint32_t nth = 0; nth < several; nth++)
        if (!try_way(f, SPOT_MAKE_ROOM, nth))
            break;
    if (is_limited(f))
        (void)try_way(f, SPOT_LIFT_LIMIT, 0);
    (void)try_way(f, SPOT_NEW_AGENT, 0);
    if (f->request->after_queue)
        remedies_for_turn(f, f->stage, (uint32_t)f->n_causes - f->stage);
}
