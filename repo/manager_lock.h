/* manager_lock.h - keeps a Manager that schedules too out of a round, and a round out of its pass.
 *
 * Such a Manager holds the session-level advisory lock 230, one for all groups, around each pass
 * (its setting distributed-lock: pg_advisory, the default). Here it is taken shared: that excludes
 * the Manager's exclusive one, but not other rounds; PostgreSQL serves waiters in order, so neither
 * side starves.
 *
 * The lock belongs to a session of the server, so each has a connection of its own, outside any
 * transaction: no timeout for idle transactions ends it. It cannot work through a pooler in
 * transaction mode, which is noticed. One thread at a time. */
#ifndef BERTH_REPO_MANAGER_LOCK_H
#define BERTH_REPO_MANAGER_LOCK_H

#include "repo/pg.h"

struct manager_lock;

/* Connects at first use. */
int manager_lock_create(const char *conninfo, struct manager_lock **ret, struct err *e) MUST_CHECK;
void manager_lock_destroy(struct manager_lock *l); /* releases it; NULL is fine */
DEFINE_CLEANUP(struct manager_lock, manager_lock_destroy)

/* ERR_CONFLICT, reason MANAGER_BUSY with RetryInfo: a Manager's pass did not end by the deadline
 * (CLOCK_MONOTONIC). ERR_PRECONDITION, reason MANAGER_LOCK_POOLED: behind a pooler. */
int manager_lock_take(struct manager_lock *l, int64_t deadline_ns, struct err *e) MUST_CHECK;
/* Asks the server whether it is still held. ERR_CONFLICT, reason MANAGER_LOCK_LOST with RetryInfo:
 * its connection was ended meanwhile. NULL: 0. */
int manager_lock_check(struct manager_lock *l, struct err *e) MUST_CHECK;
/* A connection that does not answer is dropped, and the lock with it. */
void manager_lock_release(struct manager_lock *l);

#endif
