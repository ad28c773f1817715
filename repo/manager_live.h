/* manager_live.h - the keys of a Manager 25 that are about the queue, and its wish for a pass.
 *
 * live: a connection to MANAGER_LIVE_DATABASE (manager_live_open()). Keys of a wrong type are
 * replaced. Nothing here decides anything. */
#ifndef BERTH_REPO_MANAGER_LIVE_H
#define BERTH_REPO_MANAGER_LIVE_H

#include <stdbool.h>

#include "repo/redis.h"
#include "scheduler/arena.h"
#include "scheduler/uuid.h"

int manager_live_open(const char *address, int timeout_ms, struct redis **ret,
                      struct err *e) MUST_CHECK;

struct manager_queue { /* the sessions of a group that a round tried and could not place */
    const char *scaling_group;
    int64_t epoch;          /* of the round: one of an older epoch does not replace a newer's */
    const struct uuid *ids; /* in the order in which they were tried */
    uint32_t n;
};
/* pending_queue:<group> is a JSON list of them, queue_position:<session id> each one's place from
 * 0; both live 600 s. A group without any has no key, and positions of sessions that are not in the
 * list any more are removed. */
int manager_queue_write(struct redis *live, const struct manager_queue *q, struct arena *a,
                        struct err *e) MUST_CHECK;

/* Takes the mark schedule:schedule, which a Manager sets when there is something to schedule in any
 * of its groups. *ret: it was there. */
int manager_mark_take(struct redis *live, bool *ret, struct err *e) MUST_CHECK;
/* Sets the mark schedule:terminate: there are sessions whose containers are to be stopped. */
int manager_mark_terminate(struct redis *live, struct err *e) MUST_CHECK;

#endif
