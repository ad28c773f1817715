/* group_watch.h - one look at all scaling groups: which there are, and what changed in them.
 *
 * A look costs one round trip when nothing at all was committed in the database since the last one:
 * pg_current_snapshot() is the same then. Else one statement makes two marks a group from what is
 * in indexes and small tables:
 *
 *   key   its row (scheduler, options), the slot types, whether it has agents that can be used
 *   mark  its PENDING sessions (id, priority) and, only while there are any, the room on its agents
 *
 * Marks are compared for equality with those of an earlier look and mean nothing else. Work grows
 * with the sessions that wait and with the agents of groups where any wait, not with what runs or
 * ran. Nothing of it needs a session of its own on the server: PgBouncer in transaction mode works.
 */
#ifndef BERTH_REPO_GROUP_WATCH_H
#define BERTH_REPO_GROUP_WATCH_H

#include <stdbool.h>

#include "repo/event.h"
#include "repo/txn.h"
#include "scheduler/arena.h"

/* Options of a group in scheduler_opts.config that are the loop's: a number of seconds or a text as
 * pending_timeout ("30s", "1m"), at least 20 ms and at most a day. */
#define GROUP_OPTION_LOOP_INTERVAL      "loop_interval"
#define GROUP_OPTION_LOOP_HINT_INTERVAL "loop_hint_interval"

struct watched_group {
    const char *name;
    int64_t key, mark;
    uint32_t pending;
    bool has_blocked;         /* its last round left sessions that a validator blocks */
    int64_t epoch;            /* 0: no round yet */
    int64_t round_start;      /* of the last finished round, microseconds, or TIME_NONE */
    enum group_health health; /* as the event log says */
    int64_t interval_us, hint_interval_us; /* its own; 0: as all groups */
};

struct group_look {
    bool is_same;         /* nothing was committed since: only `now` is set besides */
    const char *snapshot; /* for the next look */
    int64_t now;          /* the database's clock, microseconds */
    int64_t ended;        /* when the last session ended, anywhere; TIME_NONE: none did */
    const struct watched_group *groups; /* by name in byte order */
    uint32_t n_groups;
    bool has_more; /* groups beyond max */
};

/* last: snapshot of the look before; NULL: none. In the arena. */
int group_watch_look(struct txn *t, const char *last, uint32_t max, struct arena *a,
                     struct group_look *ret, struct err *e) MUST_CHECK;

/* Is an option of scheduler_opts.config the loop's, and can its value not be used? json: the value
 * as JSON text. The sentence, in the arena; NULL: not the loop's, or fine. */
const char *group_option_problem(const char *key, const char *json, struct arena *a);
bool group_option_is_loop(const char *key);

#endif
