/* snapshot_load.h - rows -> struct snapshot, in one TXN_READ_SNAPSHOT transaction.
 *
 * Reads only the columns used. One bad row never stops a group: a row that cannot be read marks its
 * session, agent or owner as bad with a sentence naming table, row and column. observed_at is the
 * database's clock. */
#ifndef BERTH_REPO_SNAPSHOT_LOAD_H
#define BERTH_REPO_SNAPSHOT_LOAD_H

#include "repo/txn.h"
#include "scheduler/snapshot_build.h"

struct snapshot_query {
    const char *scaling_group; /* by name */
    /* Preview by spec: also load these owners (keys as text), so that builder_find_owner() finds
     * them. user and domain may be NULL: filled from the keypair's user and the project's domain.
     * All NULL: none. */
    const char *spec_access_key, *spec_user, *spec_project, *spec_domain;
    const struct uuid *spec_session_group; /* NULL: none */
};

/* The owners found for the spec, as builder indexes, and the texts filled in. */
struct snapshot_spec_owners {
    uint32_t owner[N_OWNER_KINDS];
    uint32_t session_group; /* NONE: unknown or not asked for */
};

/* ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. Fills *b up to, not including, builder_finish(). */
int snapshot_load(struct txn *t, const struct snapshot_query *q, struct snapshot_builder *b,
                  struct snapshot_spec_owners *ret_spec, struct err *e) MUST_CHECK;

#endif
