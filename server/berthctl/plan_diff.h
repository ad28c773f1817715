/* plan_diff.h - where two plans for one snapshot part, in words. */
#ifndef BERTH_BERTHCTL_PLAN_DIFF_H
#define BERTH_BERTHCTL_PLAN_DIFF_H

#include "scheduler/arena.h"
#include "scheduler/plan.h"

/* One sentence about the first decision or cursor that is not the same, ready for a terminal, in
 * the arena; NULL when plan_hash() sees no difference. */
const char *plan_difference(const struct snapshot *s, const struct plan *then,
                            const struct plan *now, struct arena *a);
/* The first validator that took part then and does not now; NULL: none is missing. */
const char *plan_lost_validator(const struct plan *then, const struct plan *now);

#endif
