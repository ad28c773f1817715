/* kernel.h - what a commit and a cancel write to kernels. Private to repo/.
 *
 * Loading is kernel_load() of snapshot_loader.h. */
#ifndef BERTH_REPO_KERNEL_H
#define BERTH_REPO_KERNEL_H

#include "repo/session_row.h"
#include "repo/sql.h"
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

/* Mirrors failures on the PENDING kernels of these sessions. */
int kernel_mirror(struct txn *t, const struct session_failure *v, uint32_t n, struct arena *a,
                  struct err *e) MUST_CHECK;

/* Kernels of these sessions that are not over become CANCELLED. */
int kernel_cancel(struct txn *t, const struct uuid *sessions, uint32_t n, const char *reason,
                  struct arena *a, struct err *e) MUST_CHECK;

/* Kernels of these sessions that are not over become TERMINATING. */
int kernel_terminate(struct txn *t, const struct uuid *sessions, uint32_t n, const char *reason,
                     struct arena *a, struct err *e) MUST_CHECK;

struct kernels_locked { /* of a session */
    bool started;       /* a container may exist */
    bool placed;        /* one of them has an agent */
};

/* Locks the kernels of these sessions by id. ret: one for each session. */
int kernel_lock(struct txn *t, const struct uuid *sessions, uint32_t n, struct arena *a,
                struct kernels_locked *ret, struct err *e) MUST_CHECK;

#endif
