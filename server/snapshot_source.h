/* snapshot_source.h - the newest snapshot of a scaling group, for whoever only reads.
 *
 * The one place they get it from. Today it is loaded from the database; a replica that keeps the
 * snapshot of a group up to date hands that out here, and nobody else has to know. */
#ifndef BERTH_SERVER_SNAPSHOT_SOURCE_H
#define BERTH_SERVER_SNAPSHOT_SOURCE_H

#include "repo/snapshot_load.h"
#include "scheduler/policy.h"

struct round_service;

struct loaded_spec { /* somebody a described session could belong to */
    struct snapshot_spec spec;
    struct snapshot_spec_owners found; /* as indexes of the snapshot */
};

struct newest_snapshot { /* all of it in the arena, and never written to again */
    const struct snapshot *snapshot;
    const struct policy *policy; /* NULL: the group cannot be scheduled, and why */
    struct err policy_err;
    struct loaded_spec *specs; /* those of the query */
    uint32_t n_specs;
};

/* One TXN_READ_SNAPSHOT transaction on pg, begun after the call was. ERR_NOT_FOUND, reason
 * UNKNOWN_SCALING_GROUP. */
int snapshot_newest(const struct round_service *rounds, struct pg *pg,
                    const struct snapshot_query *q, struct arena *a, struct newest_snapshot *ret,
                    struct err *e) MUST_CHECK;

/* Whether a session of one would be a session of the other. */
bool spec_equal(const struct snapshot_spec *a, const struct snapshot_spec *b);
struct snapshot_spec spec_copy(const struct snapshot_spec *q, struct arena *a);

#endif
