/* reference_place.c - step 7: one session onto the agents, all requirements in order; never or not
 * now. */
#include "tests/reference/reference_internal.h"

static uint32_t plan_requirements(const struct snapshot *s, const struct session *w,
                                  struct requirement *r)
{
    if (w->mode == CLUSTER_SINGLE_NODE) {
        r[0] = (struct requirement){.arch = s->kernels[w->first_kernel].arch,
                                    .containers = (int32_t)w->n_kernels,
                                    .first = w->first_kernel,
                                    .n = w->n_kernels};
        for (uint32_t slot = 0; slot < s->n_slots; slot++)
            r[0].want[slot] = request_of(s, w, slot);
        return 1;
    }
    for (uint32_t k = 0; k < w->n_kernels; k++) {
        r[k] = (struct requirement){.arch = s->kernels[w->first_kernel + k].arch,
                                    .containers = 1,
                                    .first = w->first_kernel + k,
                                    .n = 1};
        memcpy(r[k].want, snapshot_request(s, w->first_kernel + k), s->n_slots * sizeof(int64_t));
    }
    return w->n_kernels;
}

static bool same_cause(const struct ref_cause *x, const struct ref_cause *y)
{
    if (x->kind != y->kind || strcmp(x->subject, y->subject) != 0 || x->n_slots != y->n_slots)
        return false;
    for (uint32_t i = 0; i < x->n_slots; i++)
        if (memcmp(&x->slots[i].requested, &y->slots[i].requested, 3 * sizeof(int64_t)) != 0 ||
            x->slots[i].slot != y->slots[i].slot)
            return false;
    return true;
}

static void drop_if_known(struct ref_decision *d, uint32_t first)
{
    uint32_t last = d->n_causes - 1;
    for (uint32_t i = first; i < last; i++)
        if (same_cause(&d->causes[i], &d->causes[last])) {
            d->n_causes--;
            return;
        }
    if (d->n_causes - first > MAX_PLACE_CAUSES)
        d->n_causes--;
}

static bool place_requirement(struct state *st, const struct session *w,
                              const struct requirement *r, bool *mine, uint32_t *agents,
                              struct ref_decision *d, uint32_t first_cause)
{
    const struct snapshot *s = st->s;
    bool *fits = arena_new(st->a, bool, s->n_agents + 1);
    for (uint32_t i = 0; i < s->n_agents; i++)
        fits[i] = agent_is_candidate(&s->agents[i]);
    for (enum filter f = F_ARCH; f < N_FILTERS; f++) {
        bool *kept = arena_new(st->a, bool, s->n_agents + 1);
        bool any = false;
        for (uint32_t i = 0; i < s->n_agents; i++) {
            kept[i] = fits[i] && filter_keeps(st, w, r, mine, f, i);
            any = any || kept[i];
        }
        if (!any) {
            explain_filter(st, w, r, f, fits, d);
            drop_if_known(d, first_cause);
            return false;
        }
        fits = kept;
    }
    uint32_t agent = choose(st, w, r, mine, fits);
    for (uint32_t k = 0; k < r->n; k++)
        agents[r->first - w->first_kernel + k] = agent;
    for (uint32_t slot = 0; slot < s->n_slots; slot++) {
        int64_t *p = &st->placed[agent * s->n_slots + slot];
        *p = amount_add(*p, r->want[slot]);
    }
    st->containers[agent] += r->containers;
    mine[agent] = true;
    if (strcmp(s->strategy, "roundrobin") == 0)
        st->cursor[r->arch] = s->agents[agent].id;
    return true;
}

static bool place_session(struct state *st, const struct session *w, uint32_t *agents,
                          struct ref_decision *d)
{
    struct requirement *r = arena_new(st->a, struct requirement, w->n_kernels);
    bool *mine = arena_new(st->a, bool, st->s->n_agents + 1);
    uint32_t n = plan_requirements(st->s, w, r);
    uint32_t first_cause = d->n_causes;
    bool all = true;
    for (uint32_t i = 0; i < n; i++)
        if (!place_requirement(st, w, &r[i], mine, agents, d, first_cause))
            all = false;
    if (all && w->group != NONE)
        for (uint32_t i = 0; i < st->s->n_agents; i++)
            st->members[w->group * st->s->n_agents + i] += mine[i] ? 1 : 0;
    return all;
}

/* A copy of the state to try on. */
static struct state state_copy(const struct state *st, bool empty)
{
    const struct snapshot *s = st->s;
    struct state t = *st;
    size_t cells = (size_t)s->n_agents * s->n_slots;
    size_t group_cells = (size_t)s->n_session_groups * s->n_agents;
    t.empty = empty;
    t.placed = arena_new(st->a, int64_t, cells + 1);
    t.containers = arena_new(st->a, int32_t, s->n_agents + 1);
    t.members = arena_new(st->a, int32_t, group_cells + 1);
    t.cursor = arena_new(st->a, const char *, s->n_archs + 1);
    memcpy(t.cursor, st->cursor, s->n_archs * sizeof(char *));
    if (!empty) {
        memcpy(t.placed, st->placed, cells * sizeof(int64_t));
        memcpy(t.containers, st->containers, s->n_agents * sizeof(int32_t));
        memcpy(t.members, st->members, group_cells * sizeof(int32_t));
    }
    return t;
}

void place(struct state *st, const struct session *w, struct ref_decision *d)
{
    const struct snapshot *s = st->s;
    uint32_t candidates = 0;
    if (w->n_kernels == 0) {
        d->outcome = OUTCOME_INVALID;
        add_cause(d, CAUSE_NO_KERNELS, "plan", "", false);
        return;
    }
    for (uint32_t k = 1; k < w->n_kernels && w->mode == CLUSTER_SINGLE_NODE; k++)
        if (s->kernels[w->first_kernel + k].arch != s->kernels[w->first_kernel].arch) {
            d->outcome = OUTCOME_INVALID;
            add_cause(d, CAUSE_MIXED_ARCHITECTURE, "plan", "", false);
            return;
        }
    for (uint32_t i = 0; i < s->n_agents; i++)
        candidates += agent_is_candidate(&s->agents[i]);
    if (candidates == 0) {
        d->outcome = OUTCOME_WAITING;
        add_cause(d, CAUSE_NO_AGENTS, "agents", "", true);
        return;
    }
    uint32_t *agents = arena_new(st->a, uint32_t, w->n_kernels);
    struct state real = state_copy(st, false);
    uint32_t before = d->n_causes;
    if (place_session(&real, w, agents, d)) {
        d->outcome = OUTCOME_SCHEDULED;
        d->agents = agents;
        *st = real;
        return;
    }
    struct state empty = state_copy(st, true);
    struct ref_decision probe = {.causes = arena_new(st->a, struct ref_cause, MAX_CAUSES)};
    if (place_session(&empty, w, agents, &probe)) {
        d->outcome = OUTCOME_WAITING;
        return;
    }
    d->outcome = OUTCOME_INFEASIBLE;
    d->n_causes = before;
    for (uint32_t i = 0; i < probe.n_causes; i++)
        d->causes[d->n_causes++] = probe.causes[i];
}
