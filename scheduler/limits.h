/* limits.h - what several validators share: owners that cannot be read, quotas, pending queues. */
#ifndef BERTH_SCHEDULER_LIMITS_H
#define BERTH_SCHEDULER_LIMITS_H

#include "scheduler/plugin.h"

static inline const struct session *check_session(const struct check *c)
{
    return &c->round->snapshot->sessions[c->session];
}

static inline uint32_t check_owner(const struct check *c, enum owner_kind kind)
{
    return check_session(c)->owner[kind];
}

/* Adds OWNER_NOT_FOUND, or BAD_DATA where the limits are `needed`, and says true: the owner cannot
 * be checked. A missing row wins over an unreadable one. */
bool owner_is_unusable(const struct check *c, enum owner_kind kind, bool limits_needed,
                       struct cause_list *causes);

/* Rules 6 to 9: usage + request > limit for some slot asked for. The sentence is
 * "Your <what> resource quota is exceeded. (<limit>)", the limit behind "<name>: " for projects. */
enum check_result quota_check(const struct check *c, enum owner_kind kind, enum cause_kind cause,
                              const char *what, struct cause_list *causes);

/* The pending queue of each access key: its PENDING, non-private sessions of all groups by
 * (created_at, id), without those that expired. Placements of the round do not change it. */
struct pending {
    uint32_t *rank; /* by session: its 0-based place in its key's queue */
    int64_t **sum;  /* by session: the queue's requests up to and including it; NULL: no limit */
};
const struct pending *pending_count(const struct round_view *v, struct arena *a); /* rank only */
const struct pending *pending_sum(const struct round_view *v, struct arena *a);   /* sum only */

#endif
