/* event.h - the event log: rows of berth.events, written by the transaction that changes the state,
 * numbered per scaling group without gaps in commit order. */
#ifndef BERTH_REPO_EVENT_H
#define BERTH_REPO_EVENT_H

#include <stdbool.h>

#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/plan.h"

/* The numbers are those of the wire (proto EventType) and of berth.events.type. */
enum event_type {
    EVENT_NONE,
    EVENT_SESSION_SCHEDULED,
    EVENT_SESSION_WAITING,
    EVENT_SESSION_CANCELLED,
    EVENT_SESSION_TERMINATING,
    EVENT_ROUND_FINISHED,
    EVENT_GROUP_HEALTH_CHANGED,
    N_EVENT_TYPES
};

struct event_slot { /* a slot by name: events outlive the snapshot */
    const char *slot;
    const char *amount; /* text */
};

struct event_allocation {
    struct uuid kernel_id;
    const char *agent_id, *agent_addr;
    const struct event_slot *slots;
    uint32_t n_slots;
};

struct event_shortage {
    const char *slot;
    const char *requested, *available, *limit; /* text, "" where a number does not apply */
};

struct event_cause {
    enum cause_kind kind;
    const char *plugin, *subject, *message;
    const struct event_shortage *slots;
    uint32_t n_slots;
    bool retryable;
};

struct event {
    const char *scaling_group;
    int64_t sequence;
    enum event_type type;
    bool has_session, has_round;
    struct uuid session_id;
    const char *creation_id, *from_status, *to_status, *reason; /* "" when there is none */
    struct uuid round_id;
    int64_t epoch;
    int64_t time; /* microseconds, the database's clock when it was numbered, just before COMMIT;
                     does not fall with growing sequences */
    const struct event_allocation *allocations;
    const struct event_cause *causes;
    uint32_t n_allocations, n_causes;
};

/* Events of a group with sequence > after, in order, at most max. In the arena. */
int event_list(struct txn *t, const char *scaling_group, int64_t after, uint32_t max,
               struct arena *a, struct event **ret, uint32_t *ret_n, struct err *e) MUST_CHECK;

/* The database's clock, microseconds: what event.time is measured by. */
int event_clock(struct txn *t, int64_t *ret, struct err *e) MUST_CHECK;

struct event_bounds { /* of one group's log */
    const char *scaling_group;
    int64_t oldest; /* smallest sequence still kept; last + 1 when none is */
    int64_t last;   /* greatest sequence given out, 0: none */
};
/* All groups that have a log (names NULL, n 0), or those named; unknown names are left out. */
int event_bounds_list(struct txn *t, const char *const *names, uint32_t n, struct arena *a,
                      struct event_bounds **ret, uint32_t *ret_n, struct err *e) MUST_CHECK;

enum group_health { /* the numbers of the wire (proto GroupHealth) and of berth.group_state */
                    GROUP_HEALTH_UNKNOWN,
                    GROUP_HEALTHY,
                    GROUP_DEGRADED,
                    GROUP_FAILING,
                    N_GROUP_HEALTHS
};

/* Says in the log of a group that its health has changed: GROUP_HEALTH_CHANGED, from_status and
 * to_status the words (HEALTHY, DEGRADED, FAILING), reason as given. A transaction of its own,
 * numbered by the group's row, so it stands in commit order with all others; not for use while
 * another transaction of this connection is open. Bounded by pg_deadline().
 *
 * The group's row remembers what was said last, by any replica: the same health with the same
 * reason again is no change, and *ret_n is 0. So the reason must say what is wrong without figures
 * that move by themselves ("waits for 3 s"). Else *ret_n is 1 and *ret the event as committed, in
 * the arena, for hub_publish(). ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. */
struct event_group_health {
    const char *scaling_group; /* name */
    enum group_health health;
    const char *reason; /* one sentence; NULL or "": none */
};
int event_append_group_health(struct pg *c, const struct event_group_health *h, struct arena *a,
                              struct event **ret, uint32_t *ret_n, struct err *e) MUST_CHECK;

/* JSON text of causes and allocations as stored; used for status_data and history too. */
char *event_causes_json(const struct event_cause *c, uint32_t n, struct arena *a);
int event_causes_parse(const char *json, struct arena *a, struct event_cause **ret, uint32_t *ret_n,
                       struct err *e) MUST_CHECK;
/* From the indexes of a plan to names. */
struct event_cause *event_causes_from_plan(const struct snapshot *s, const struct cause *c,
                                           uint32_t n, struct arena *a);

#endif
