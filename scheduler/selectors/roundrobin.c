/* roundrobin.c - the first fitting agent after the one chosen last for this architecture, cyclic.
 */
#include "scheduler/plugin.h"

static uint32_t key(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *key)
{
    (void)m;
    (void)options;
    key[0] = agent < r->turn;
    return 1;
}

SELECTOR(roundrobin, "roundrobin", "the next agent by id after the last one", NULL, .key = key,
         .scope = SELECT_IN_TURN);
