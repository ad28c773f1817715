/* bridge.h - the bridge to a Manager 25 (setting manager_bridge): one thread that tells it what the
 * event log holds, writes the keys of its pending queue, and takes its wishes for a pass.
 *
 * The thread has connections of its own. It looks at the log when this replica has committed
 * something, and every event_poll for what others have (repo/manager_bridge.h: at least once, one
 * replica at a time). Whatever fails is tried again after a pause that grows to 5 s; the log
 * remembers the events, and queues are kept for as long as their keys would live. Nobody else waits
 * for any of it: the doors below copy and return.
 *
 * A NULL bridge, where the setting is off, does nothing. */
#ifndef BERTH_SERVER_BRIDGE_H
#define BERTH_SERVER_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/err.h"

struct bridge;
struct config;
struct loop;
struct plan;
struct snapshot;

/* The configuration is lent and must outlive it. Neither database nor Redis must be there. */
int bridge_create(const struct config *c, struct bridge **ret, struct err *e) MUST_CHECK;
/* Looks a last time, if nothing is away. NULL is fine. */
void bridge_destroy(struct bridge *b);
DEFINE_CLEANUP(struct bridge, bridge_destroy)

/* Whom to hint when a Manager wishes for a pass; NULL: nobody, and its marks are left alone. */
void bridge_hint_to(struct bridge *b, struct loop *l);

/* Something was committed on this replica. Any thread. */
void bridge_wake(struct bridge *b);
/* A round ended: what it tried in vain is the group's pending queue. Unless it is whole, only some
 * of it was committed. Any thread. */
void bridge_round(struct bridge *b, const struct snapshot *s, const struct plan *p, int64_t epoch,
                  bool is_whole);

#endif
