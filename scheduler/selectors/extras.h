/* extras.h - what concentrated, dispersed and legacy share. */
#ifndef BERTH_SCHEDULER_SELECTORS_EXTRAS_H
#define BERTH_SCHEDULER_SELECTORS_EXTRAS_H

#include "scheduler/plugin.h"

/* Slots of which the agent has some remaining and the requirement asks for none: keeps work without
 * accelerators off the agents that have them. */
static inline int64_t selector_extras(const struct room *m, const struct requirement *r,
                                      uint32_t agent)
{
    const int64_t *remaining = snapshot_row(m->snapshot, m->remaining, agent);
    int64_t extras = 0;
    for (uint32_t i = 0; i < m->snapshot->n_slots; i++)
        extras += remaining[i] > 0;
    for (uint32_t i = 0; i < r->n_asked; i++)
        extras -= remaining[r->asked[i]] > 0;
    return extras;
}

#endif
