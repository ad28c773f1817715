/* kernel.h - what a commit and a cancel write to kernels. Private to repo/.
 *
 * Loading is kernel_load() of snapshot_loader.h. */
#ifndef BERTH_REPO_KERNEL_H
#define BERTH_REPO_KERNEL_H

#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/uuid.h"

struct kernel_place { /* a PENDING kernel of a session whose row is locked, and where it goes */
    struct uuid kernel_id, session_id;
    const char *agent_id, *agent_addr;
};

/* PENDING -> SCHEDULED. written[i] tells which rows were still PENDING and changed. */
int kernel_schedule(struct txn *t, const struct kernel_place *v, uint32_t n, struct arena *a,
                    bool *written, struct err *e) MUST_CHECK;

/* Mirrors a failure: status_info and status_data of the PENDING kernels of these sessions. data[i]
 * is a JSON object that is merged into status_data. */
int kernel_mirror(struct txn *t, const struct uuid *sessions, const char *const *infos,
                  const char *const *data, uint32_t n, struct arena *a, struct err *e) MUST_CHECK;

/* Kernels of these sessions that are not over become CANCELLED. */
int kernel_cancel(struct txn *t, const struct uuid *sessions, uint32_t n, const char *reason,
                  struct arena *a, struct err *e) MUST_CHECK;

/* Kernels of a session that are not over become TERMINATING. */
int kernel_terminate(struct txn *t, const struct uuid *session, const char *reason,
                     struct err *e) MUST_CHECK;

/* Locks the kernels of a session by id; *ret_started: a container of it may exist. */
int kernel_lock(struct txn *t, const struct uuid *session, bool *ret_started,
                struct err *e) MUST_CHECK;

/* SQL: a jsonb column with an object merged in; what is no object counts as none. */
#define SQL_MERGED(column, object)                                                                 \
    "CASE WHEN jsonb_typeof(" column ") = 'object' THEN " column " ELSE '{}' END || " object
/* SQL: the stamp of a status, taken once a statement. */
#define SQL_STAMP(status) "(SELECT jsonb_build_object('" status "', now()))"

#endif
