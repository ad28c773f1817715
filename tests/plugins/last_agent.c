/* last_agent.c - an out-of-tree selector: of the agents that fit, the one with the greatest id. */
#include "scheduler/plugin.h"

static uint32_t key(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *ret)
{
    (void)m;
    (void)r;
    (void)options;
    ret[0] = -(int64_t)agent; /* agents are numbered by id */
    return 1;
}

SELECTOR(last_agent, "last-agent", "the agent with the greatest id", NULL, .key = key);
