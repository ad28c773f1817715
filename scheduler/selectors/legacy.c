/* legacy.c - fewest extras, then the largest capacity of each asked slot, by priority. */
#include "scheduler/selectors/extras.h"

static uint32_t key(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *key)
{
    (void)options;
    const int64_t *row = snapshot_row(m->snapshot, m->snapshot->agent_capacity, agent);
    key[0] = selector_extras(m, r, agent);
    for (uint32_t i = 0; i < r->n_asked; i++)
        key[1 + i] = row[r->priority[i]] > 0 ? -row[r->priority[i]] : 0;
    return 1 + r->n_asked;
}

SELECTOR(legacy, "legacy", "the agent with the largest capacity, used or not", NULL, .key = key,
         .scope = SELECT_BY_SLOTS);
