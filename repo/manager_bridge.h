/* manager_bridge.h - tells a Manager 25 each event of the log at least once, whichever replica
 * committed it.
 *
 * berth.manager_bridge holds, by group, the last sequence that was told. A step takes one group
 * that is behind and locks its row (SKIP LOCKED: another replica's group is left to it), reads the
 * next events, tells them (manager_publish.h), moves the row and commits. A replica that dies, or
 * loses a connection, between the telling and the COMMIT leaves the row where it was: these events
 * are told again, by whoever comes first. One replica at a time tells a group, so the order is
 * kept; a holder that slept so long that its transaction was ended may repeat some, never move the
 * row.
 *
 * Commits do not wait: they neither read nor lock that table. */
#ifndef BERTH_REPO_MANAGER_BRIDGE_H
#define BERTH_REPO_MANAGER_BRIDGE_H

#include <stdbool.h>

#include "repo/pg.h"
#include "repo/redis.h"
#include "scheduler/arena.h"
#include "scheduler/uuid.h"

struct manager_bridge { /* plain value; the connections are the caller's */
    struct redis *stream, *live;
    int64_t max_age_ms; /* an event older than this is passed over */
    uint32_t batch;     /* events a step, at least 1 */
};

int manager_stream_open(const char *address, int timeout_ms, struct redis **ret,
                        struct err *e) MUST_CHECK;

/* Before the first step. When there never was a bridge to this database, what happened so far is
 * not told. */
int manager_bridge_begin(struct pg *c, struct err *e) MUST_CHECK;

struct manager_step {
    struct uuid after; /* in: the groups behind this id; all zero: from the first */
    bool give_up;      /* in: what Redis refuses is left out instead of tried again */

    bool found;        /* out: there was a group; below is about it */
    struct uuid group; /*   its id, for the next step's `after` */
    bool more;         /*   it has further events */
    uint32_t told;     /*   events told */
    int64_t expired;   /*   passed over: too old */
    int64_t lost;      /*   passed over: removed by retention */
    uint32_t refused;  /*   commands refused; without give_up nothing was moved */
    char refusal[128]; /*   and the first one's words */
};
/* Uses the arena for its own ends. ERR_UNAVAILABLE: the database or Redis is away; nothing was
 * moved and the step is worth repeating; s->group is set when it came that far. */
int manager_bridge_step(struct pg *c, const struct manager_bridge *b, struct manager_step *s,
                        struct arena *a, struct err *e) MUST_CHECK;

/* Names of the scaling groups in which sessions wait, for when a Manager wishes for a pass. In the
 * arena. */
int manager_groups_waiting(struct pg *c, struct arena *a, const char ***ret, uint32_t *ret_n,
                           struct err *e) MUST_CHECK;

#endif
