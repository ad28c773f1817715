/* snapshot_load.h - rows -> struct snapshot, in one TXN_READ_SNAPSHOT transaction.
 *
 * Reads only the columns used. One bad row never stops a group: a row that cannot be read marks its
 * session, agent or owner as bad with a sentence naming table, row and column. observed_at is the
 * database's clock. */
#ifndef BERTH_REPO_SNAPSHOT_LOAD_H
#define BERTH_REPO_SNAPSHOT_LOAD_H

#include "repo/txn.h"
#include "scheduler/snapshot_build.h"

/* Whom a session belongs to that is not stored: loaded, too, so that a preview can add it. user and
 * domain may be NULL: filled from the keypair's user and the project's domain. */
struct snapshot_spec {
    const char *access_key, *user, *project, *domain;
    const struct uuid *session_group; /* NULL: none */
};

/* Whether a session of one would be a session of the other. */
bool spec_equal(const struct snapshot_spec *a, const struct snapshot_spec *b);
struct snapshot_spec spec_copy(const struct snapshot_spec *q, struct arena *a);

struct snapshot_query {
    const char *scaling_group; /* by name */
    const struct snapshot_spec *specs;
    uint32_t n_specs;
    uint32_t taste; /* of each large table at most so many rows, to see that it can be loaded: the
                       snapshot is good for nothing else. 0: all rows */
};

/* What was found for a spec, as builder indexes. */
struct snapshot_spec_owners {
    uint32_t owner[N_OWNER_KINDS];
    uint32_t session_group; /* NONE: unknown or not asked for */
};

struct loaded_spec { /* of a finished snapshot */
    struct snapshot_spec spec;
    struct snapshot_spec_owners found; /* as indexes of the snapshot */
};

/* ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. Fills *b up to, not including, builder_finish(), and
 * ret_specs[i] for each spec (NULL: there are none). */
int snapshot_load(struct txn *t, const struct snapshot_query *q, struct snapshot_builder *b,
                  struct snapshot_spec_owners *ret_specs, struct err *e) MUST_CHECK;

#endif
