/* replay.h - a recorded round decided once more, by the scheduler this program is built with. */
#ifndef BERTH_BERTHCTL_REPLAY_H
#define BERTH_BERTHCTL_REPLAY_H

#include "scheduler/plan.h"
#include "scheduler/policy.h"

struct replay {
    const char *plan_path; /* of `then` */
    const struct snapshot *snapshot;
    const struct plan *then; /* as recorded; NULL: no file of it */
    const struct plan *now;
};

/* Reads FILE.snapshot and its plan, which is plan_path or, when that is NULL, FILE.plan if that is
 * there, and runs the round with the same policy under the same budget. The result lives in the
 * arena; the registry must outlive it. -1: a file cannot be read (BAD_FILE) or the round cannot be
 * run; the message names the file. */
int replay_run(const char *snapshot_path, const char *plan_path, const struct registry *registry,
               struct arena *a, struct replay *ret, struct err *e) MUST_CHECK;

#endif
