/* remedies.h - what would help, as text for a person. Text lives in the arena. */
#ifndef BERTH_BERTHCTL_REMEDIES_H
#define BERTH_BERTHCTL_REMEDIES_H

#include <stdbool.h>
#include <stdio.h>

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/arena.h"

/* Goes last in an answer: one list for each set of causes that are cured by the same; each line an
 * alternative, best first. Causes that show only later are told with their sentence. Begins with an
 * empty line; prints nothing when there is nothing to help. */
void remedies_print(FILE *out, struct arena *a, const Berth__V1__PreviewAllocationResponse *r);

#endif
