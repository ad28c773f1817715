/* session_row.h - what a commit and a cancel write to sessions. Private to repo/.
 *
 * Every write is guarded by the status it starts from and counts the rows it changed: the rows were
 * locked and looked at before, so another number is ERR_INTERNAL. Loading is session_load() of
 * snapshot_loader.h. */
#ifndef BERTH_REPO_SESSION_ROW_H
#define BERTH_REPO_SESSION_ROW_H

#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/uuid.h"

/* Locks these sessions by id; statuses[i] is what session i is now, NULL: gone. */
int session_lock(struct txn *t, const struct uuid *ids, uint32_t n, struct arena *a,
                 const char **statuses, struct err *e) MUST_CHECK;

/* PENDING -> SCHEDULED; agents[i] is the text of an array of agent ids. */
int session_schedule(struct txn *t, const struct uuid *ids, const char *const *agents, uint32_t n,
                     struct arena *a, struct err *e) MUST_CHECK;

struct session_failure {
    struct uuid id;
    const char *info;        /* status_info */
    const char *data;        /* {"scheduler": {...}}, merged into status_data */
    const char *kernel_data; /* the same for its kernels */
    int32_t retries;         /* put into both */
};

/* Stays PENDING. */
int session_fail(struct txn *t, const struct session_failure *v, uint32_t n, struct arena *a,
                 struct err *e) MUST_CHECK;

/* -> CANCELLED from `from`. */
int session_mark_cancelled(struct txn *t, const struct uuid *ids, uint32_t n, const char *from,
                           const char *reason, struct arena *a, struct err *e) MUST_CHECK;

/* -> TERMINATING from exactly that status. */
int session_mark_terminating(struct txn *t, const struct uuid *ids, uint32_t n, const char *from,
                             const char *reason, struct arena *a, struct err *e) MUST_CHECK;

/* {"a1","a2"}: an array of texts in PostgreSQL's text form. */
char *text_array(const char *const *v, uint32_t n, struct arena *a);

#endif
