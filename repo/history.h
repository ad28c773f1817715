/* history.h - session_scheduling_history. Private to repo/. */
#ifndef BERTH_REPO_HISTORY_H
#define BERTH_REPO_HISTORY_H

#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/uuid.h"

struct history_row {
    struct uuid session_id;
    const char *phase; /* "schedule-sessions", "cancel", "mark_terminating" */
    const char *from_status, *to_status;
    const char *result;     /* "SUCCESS", "NEED_RETRY" */
    const char *error_code; /* NULL: none */
    const char *message;
    int32_t carried;       /* failures since its latest row was written: attempts of that row */
    const char *sub_steps; /* JSON array */
};

/* Records n rows of different sessions, whose rows in sessions are locked: that keeps two writers
 * from inserting the same twice. A session's latest row with the same phase, error_code and
 * to_status counts one attempt more and takes over message and sub_steps; else a row is inserted.
 * `carried` is added to the attempts of the latest row, if that is a failure, in either case. */
int history_record(struct txn *t, const struct history_row *v, uint32_t n, struct arena *a,
                   struct err *e) MUST_CHECK;

#endif
