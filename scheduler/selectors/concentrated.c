/* concentrated.c - packs: fewest extras, then the least remaining of each asked slot, by priority.
 */
#include "scheduler/selectors/extras.h"

static uint32_t key(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *key)
{
    (void)options;
    const int64_t *row = snapshot_row(m->snapshot, m->remaining, agent);
    key[0] = selector_extras(m, r, agent);
    for (uint32_t i = 0; i < r->n_asked; i++)
        key[1 + i] = row[r->priority[i]];
    return 1 + r->n_asked;
}

SELECTOR(concentrated, "concentrated", "the agent with the least left: keeps others whole", NULL,
         .key = key, .scope = SELECT_BY_SLOTS);
