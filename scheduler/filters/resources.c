/* resources.c - filter 4: every requested slot is at most what remains on the agent. */
#include "scheduler/cause.h"
#include "scheduler/closest.h"
#include "scheduler/plugin.h"

static bool keep(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent)
{
    (void)options;
    const int64_t *remaining = snapshot_row(m->snapshot, m->remaining, agent);
    for (uint32_t i = 0; i < r->n_asked; i++)
        if (r->request[r->asked[i]] > remaining[r->asked[i]])
            return false;
    return true;
}

static void list_shortages(const struct room *m, const struct requirement *r, uint32_t agent,
                           struct arena *a, struct cause *ret)
{
    const struct snapshot *s = m->snapshot;
    const int64_t *remaining = snapshot_row(s, m->remaining, agent);
    const int64_t *capacity = snapshot_row(s, s->agent_capacity, agent);
    struct shortage *slots = arena_new(a, struct shortage, r->n_asked);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_asked; i++) {
        uint32_t slot = r->asked[i];
        if (r->request[slot] > remaining[slot])
            slots[n++] = (struct shortage){.slot = slot,
                                           .requested = r->request[slot],
                                           .available = remaining[slot],
                                           .limit = capacity[slot]};
    }
    ret->slots = slots;
    ret->n_slots = n;
}

static uint32_t explain(const struct room *m, const struct requirement *r,
                        const struct option_value *options, const struct entrants *who,
                        struct arena *a, struct cause *ret)
{
    (void)options;
    uint32_t agent = closest_scan(m, r, who->agents, who->n);
    const char *id = m->snapshot->agents[agent].id;
    ret->kind = m->empty ? CAUSE_INFEASIBLE : CAUSE_CAPACITY;
    ret->subject = id;
    list_shortages(m, r, agent, a, ret);
    const char *word = m->empty ? "has" : "left";
    const char *short_of = cause_shortages(m->snapshot, ret->slots, ret->n_slots, word, a);
    if (!who->whole)
        ret->message = arena_printf(a, "%s has not enough left: it is short of %s.", id, short_of);
    else if (m->empty)
        ret->message = arena_printf(a,
                                    "No agent of this group could ever hold it: %s comes closest, "
                                    "short of %s.",
                                    id, short_of);
    else
        ret->message = arena_printf(a, "No agent has enough left: %s comes closest, short of %s.",
                                    id, short_of);
    return agent;
}

FILTER(resources, "resources", "every requested slot is at most what remains on the agent", NULL,
       .keep = keep, .explain = explain);
