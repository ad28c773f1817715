/* snapshot_compare.h - are two snapshots the same, row by row and field by field? */
#ifndef BERTH_SCHEDULER_SNAPSHOT_COMPARE_H
#define BERTH_SCHEDULER_SNAPSHOT_COMPARE_H

#include "scheduler/arena.h"
#include "scheduler/snapshot.h"

/* NULL: they are equal in everything, what only a commit reads included. Else a sentence in the
 * arena with the first row that differs, as snapshot_print() shows it on both sides. */
const char *snapshot_difference(const struct snapshot *a, const struct snapshot *b,
                                struct arena *arena);

#endif
