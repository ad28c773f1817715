/* reference_filter.c - step 7: what is left on an agent, the filters, and why they left nobody. */
#include "tests/reference/reference_internal.h"

int64_t remaining(const struct state *st, uint32_t agent, uint32_t slot)
{
    const struct snapshot *s = st->s;
    int64_t held = st->empty ? 0 : snapshot_row(s, s->agent_held, agent)[slot];
    int64_t left = amount_sub(amount_sub(snapshot_row(s, s->agent_capacity, agent)[slot], held),
                              st->placed[agent * s->n_slots + slot]);
    return left > 0 ? left : 0;
}

static int32_t containers_on(const struct state *st, uint32_t agent)
{
    return (st->empty ? 0 : st->s->agents[agent].containers) + st->containers[agent];
}

/* Members of w's group on the agent; `mine[agent]`: an earlier kernel of w is there already. */
int32_t members_on(const struct state *st, const struct session *w, const bool *mine,
                   uint32_t agent)
{
    const struct snapshot *s = st->s;
    if (w->group == NONE)
        return 0;
    int32_t n = st->members[w->group * s->n_agents + agent] + (mine[agent] ? 1 : 0);
    for (uint32_t i = 0; i < s->n_group_members && !st->empty; i++)
        if (s->group_members[i].group == w->group && s->group_members[i].agent == agent)
            n += s->group_members[i].count;
    return n;
}

bool is_designated(const struct snapshot *s, const struct session *w, uint32_t agent)
{
    for (uint32_t i = 0; i < w->rare->n_designated; i++)
        if (strcmp(s->designated[w->rare->first_designated + i], s->agents[agent].id) == 0)
            return true;
    return false;
}

bool filter_keeps(const struct state *st, const struct session *w, const struct requirement *r,
                  const bool *mine, enum filter f, uint32_t agent)
{
    const struct snapshot *s = st->s;
    switch (f) {
    case F_ARCH:
        return s->agents[agent].arch == r->arch;
    case F_DESIGNATED:
        return !w->designated_strict || w->rare->n_designated == 0 || is_designated(s, w, agent);
    case F_GROUP: {
        if (w->group == NONE || !s->session_groups[w->group].strict)
            return true;
        int32_t here = members_on(st, w, mine, agent);
        if (s->session_groups[w->group].direction == GROUP_SPREAD)
            return here == 0;
        if (s->session_groups[w->group].direction != GROUP_PACK)
            return true;
        bool any = false;
        for (uint32_t i = 0; i < s->n_agents; i++)
            if (agent_is_candidate(&s->agents[i]) && members_on(st, w, mine, i) > 0)
                any = true;
        return !any || here > 0;
    }
    case F_RESOURCES:
        for (uint32_t slot = 0; slot < s->n_slots; slot++)
            if (r->want[slot] > 0 && r->want[slot] > remaining(st, agent, slot))
                return false;
        return true;
    default:
        return st->c->max_containers_per_agent <= 0 ||
               (int64_t)containers_on(st, agent) + r->containers <= st->c->max_containers_per_agent;
    }
}

/* Largest of (want - left) / want over the slots: *ret_num / *ret_den. */
static void largest_shortage(const struct state *st, const struct requirement *r, uint32_t agent,
                             int64_t *ret_num, int64_t *ret_den)
{
    *ret_num = 0;
    *ret_den = 1;
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++) {
        int64_t left = remaining(st, agent, slot);
        if (r->want[slot] > left &&
            fraction_less(*ret_num, *ret_den, r->want[slot] - left, r->want[slot])) {
            *ret_num = r->want[slot] - left;
            *ret_den = r->want[slot];
        }
    }
}

static void explain_resources(struct state *st, const struct requirement *r, const bool *entered,
                              struct ref_decision *d)
{
    uint32_t best = NONE;
    int64_t best_num = 0, best_den = 1;
    for (uint32_t i = 0; i < st->s->n_agents; i++) {
        int64_t num, den;
        if (!entered[i])
            continue;
        largest_shortage(st, r, i, &num, &den);
        if (best == NONE || fraction_less(num, den, best_num, best_den)) {
            best = i;
            best_num = num;
            best_den = den;
        }
    }
    struct ref_cause *c = add_cause(d, st->empty ? CAUSE_INFEASIBLE : CAUSE_CAPACITY, "resources",
                                    st->s->agents[best].id, !st->empty);
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++)
        if (r->want[slot] > remaining(st, best, slot))
            add_shortage(c, slot, r->want[slot], remaining(st, best, slot),
                         snapshot_row(st->s, st->s->agent_capacity, best)[slot]);
}

void explain_filter(struct state *st, const struct session *w, const struct requirement *r,
                    enum filter f, const bool *entered, struct ref_decision *d)
{
    const struct snapshot *s = st->s;
    switch (f) {
    case F_ARCH:
        add_cause(d, CAUSE_ARCHITECTURE, "architecture", s->archs[r->arch], !st->empty);
        break;
    case F_DESIGNATED:
        add_cause(d, CAUSE_DESIGNATED, "designated", s->designated[w->rare->first_designated],
                  !st->empty);
        break;
    case F_GROUP:
        add_cause(d, CAUSE_SESSION_GROUP, "session_group",
                  uuid_text(st->a, &s->session_groups[w->group].id), !st->empty);
        break;
    case F_RESOURCES:
        explain_resources(st, r, entered, d);
        break;
    default: {
        uint32_t best = NONE;
        for (uint32_t i = 0; i < s->n_agents; i++)
            if (entered[i] && (best == NONE || containers_on(st, i) < containers_on(st, best)))
                best = i;
        add_cause(d, CAUSE_CONTAINER_LIMIT, "container_limit", s->agents[best].id, !st->empty);
    }
    }
}
