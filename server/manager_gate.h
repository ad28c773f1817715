/* manager_gate.h - the locks of rounds beside a Manager that schedules too (setting coexist:
 * manager-lock; repo/manager_lock.h). A lock has a connection, so they are kept for the next round.
 * A NULL gate, where the setting is off, lets everybody pass. Any thread. */
#ifndef BERTH_SERVER_MANAGER_GATE_H
#define BERTH_SERVER_MANAGER_GATE_H

#include "repo/manager_lock.h"

struct config;
struct manager_gate;

/* NULL: the setting is off. The configuration is lent and must outlive it. */
struct manager_gate *manager_gate_create(const struct config *c);
void manager_gate_destroy(struct manager_gate *g); /* NULL is fine; everybody has left */
DEFINE_CLEANUP(struct manager_gate, manager_gate_destroy)

/* Waits for a Manager's pass to end: coexist_wait, or to the deadline. *ret is what to check before
 * each write and to leave with. Errors: manager_lock_take(). */
int manager_gate_enter(struct manager_gate *g, int64_t deadline_ns, struct manager_lock **ret,
                       struct err *e) MUST_CHECK;
void manager_gate_leave(struct manager_gate *g, struct manager_lock *l); /* NULL l is fine */
int manager_gate_guard(void *lock, struct err *e); /* manager_lock_check(), for plan_commit() */

#endif
