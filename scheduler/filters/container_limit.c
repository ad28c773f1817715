/* container_limit.c - filter 5: containers on the agent + containers to add <= the maximum. */
#include <inttypes.h>

#include "scheduler/plugin.h"

static bool applies(const struct room *m, const struct requirement *r,
                    const struct option_value *options)
{
    (void)r;
    (void)options;
    return m->max_containers > 0;
}

static bool keep(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent)
{
    (void)options;
    return m->containers[agent] + r->containers <= m->max_containers;
}

/* The agent with the fewest containers; of equals the first, which has the smallest id. */
static uint32_t fewest(const struct room *m, const struct entrants *who)
{
    uint32_t best = who->agents[0];
    for (uint32_t i = 1; i < who->n; i++)
        if (m->containers[who->agents[i]] < m->containers[best])
            best = who->agents[i];
    return best;
}

static uint32_t explain(const struct room *m, const struct requirement *r,
                        const struct option_value *options, const struct entrants *who,
                        struct arena *a, struct cause *ret)
{
    (void)options;
    uint32_t agent = fewest(m, who);
    const char *id = m->snapshot->agents[agent].id;
    ret->kind = CAUSE_CONTAINER_LIMIT;
    ret->subject = id;
    if (m->empty)
        ret->message = arena_printf(a,
                                    "It needs %" PRId32 " containers on one agent and at most "
                                    "%" PRId64 " may run on one.",
                                    r->containers, m->max_containers);
    else
        ret->message = arena_printf(
            a,
            "%s%s has %" PRId64 " of at most %" PRId64 " containers and %" PRId32 " more %s asked.",
            who->whole ? "No agent with room may run more containers: " : "", id,
            m->containers[agent], m->max_containers, r->containers,
            r->containers == 1 ? "is" : "are");
    return agent;
}

FILTER(container_limit, "container_limit", "the agent's containers stay within the maximum", NULL,
       .applies = applies, .keep = keep, .explain = explain);
