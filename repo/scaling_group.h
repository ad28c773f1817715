/* scaling_group.h - groups, their fence and their last round. */
#ifndef BERTH_REPO_SCALING_GROUP_H
#define BERTH_REPO_SCALING_GROUP_H

#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/plan.h"

/* Takes a new epoch for the group: the fence of every commit. ERR_NOT_FOUND, reason
 * UNKNOWN_SCALING_GROUP. Own transaction inside. */
int scaling_group_take_epoch(struct pg *c, const char *name, const struct uuid *round_id,
                             int64_t *ret_epoch, struct err *e) MUST_CHECK;
/* How long ago the group's last finished round took its snapshot, on any replica, in microseconds
 * of the database's clock; INT64_MAX: there was none, or there is no such group. Own transaction
 * inside. */
int scaling_group_round_age(struct pg *c, const char *name, int64_t *ret_us,
                            struct err *e) MUST_CHECK;

struct scaling_group_info {
    const char *name, *scheduler, *strategy;
    bool is_active;
    uint32_t agents_schedulable, agents_total, pending, live;
    int64_t epoch;
    bool has_round;
    struct uuid round_id;
    int64_t round_start, round_us; /* microseconds */
    uint32_t counts[N_OUTCOMES];
    const char *bad_options; /* scheduler_opts that cannot be read: the sentence, else NULL; it is
                                not among problems */
    const struct option *options; /* scheduler_opts.config, for policy_resolve() */
    uint32_t n_options;
    const char *const *problems; /* sentences: unknown slot types and the like */
    uint32_t n_problems;
};
/* By name in byte order, names > after (NULL: from the first), at most max. names: only these. */
int scaling_group_list(struct txn *t, const char *const *names, uint32_t n_names, const char *after,
                       uint32_t max, struct arena *a, struct scaling_group_info **ret,
                       uint32_t *ret_n, struct err *e) MUST_CHECK;

#endif
