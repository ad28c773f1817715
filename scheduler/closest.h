/* closest.h - of agents that all lack something, the one that comes closest to taking a
 * requirement: the one whose largest shortage, relative to what is asked of that slot, is the
 * smallest. Compared as exact fractions, never as a sum over different units; of equals the
 * smallest id.
 *
 * Looked for among all candidates of an architecture, most of them need not be looked at: agents
 * next to each other form a block, whose most of each slot says how close any of them can come. */
#ifndef BERTH_SCHEDULER_CLOSEST_H
#define BERTH_SCHEDULER_CLOSEST_H

#include "scheduler/plugin.h"

/* Among these, ascending, at least one. */
uint32_t closest_scan(const struct room *m, const struct requirement *r, const uint32_t *agents,
                      uint32_t n);

struct closest; /* the blocks of a room */

struct closest *closest_create(const struct room *m, struct arena *a);
/* Among all candidates of the requirement's architecture; NONE: there are none, or one of them
 * lacks nothing. */
uint32_t closest_find(struct closest *x, const struct room *m, const struct requirement *r);
/* More remains on the agent than before; that less does need not be said. */
void closest_raise(struct closest *x, const struct room *m, uint32_t agent);

#endif
