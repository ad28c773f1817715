/* snapshot_source.h - the newest snapshot of a scaling group, for whoever only reads.
 *
 * The one place they get it from: read whole, or made of one that was read before and of what
 * changed since (repo/warm.h). */
#ifndef BERTH_SERVER_SNAPSHOT_SOURCE_H
#define BERTH_SERVER_SNAPSHOT_SOURCE_H

#include "repo/warm.h"
#include "scheduler/policy.h"

struct config;
struct round_service;

struct snapshot_source {
    const struct round_service *rounds; /* whose policy */
    const struct config *config;
    struct pg *pg;
    struct warm *base; /* read before; NULL: nothing was */
};

struct newest_snapshot { /* never written to again */
    struct warm *warm;   /* where the snapshot lives: a reference of the caller's */
    const struct snapshot *snapshot;
    const struct policy *policy; /* NULL: the group cannot be scheduled, and why */
    struct err policy_err;
    const struct loaded_spec *specs; /* those of the query */
    uint32_t n_specs;
};

/* One TXN_READ_SNAPSHOT transaction, begun after the call was; one more when the base cannot be
 * brought up to date. The policy is in the arena. ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. */
int snapshot_newest(const struct snapshot_source *x, const struct snapshot_query *q,
                    struct arena *a, struct newest_snapshot *ret, struct err *e) MUST_CHECK;

#endif
