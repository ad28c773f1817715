/* snapshot_loader.h - what the loaders of the single tables share. Private to repo/.
 *
 * snapshot_load() runs them in this order; each adds its rows to the builder and leaves behind what
 * a later one joins with. Nothing is joined on the server that can be looked up here in O(1). */
#ifndef BERTH_REPO_SNAPSHOT_LOADER_H
#define BERTH_REPO_SNAPSHOT_LOADER_H

#include "repo/pg_query.h"
#include "repo/snapshot_load.h"

struct owner_keys { /* owners of one kind, in the order of adding */
    const char **key;
    uint32_t *owner; /* index in the builder */
    size_t cap_key, cap_owner;
    uint32_t n;
};

enum { OWNER_CACHE = 256 }; /* a power of two */

struct owner_cached { /* uuid -> owner, so that a queue's owners are formatted once */
    struct uuid id;
    uint32_t owner;
    bool set;
};

struct session_grouping { /* a session that names a session group */
    uint32_t session;
    struct uuid group;
};

struct load {
    struct txn *t;
    struct snapshot_builder *b;
    struct arena *a; /* scratch: dies with the load */
    struct uuid group_id;
    int64_t failure_rounds;
    uint32_t taste; /* snapshot_query */

    struct owner_keys owners[N_OWNER_KINDS];
    uint32_t n_owners;
    struct owner_cached cached[N_OWNER_KINDS][OWNER_CACHE];

    struct session_grouping *groupings;
    size_t cap_groupings;
    uint32_t n_groupings;

    uint32_t n_odd; /* sessions with a count of failures that is not taken as it stands */

    uint32_t n_kernels;    /* read: the first so many of the builder */
    uint32_t *ledger_rows; /* by kernel: live rows in resource_allocations */
    uint32_t *agent_rows;  /* by agent: rows in agent_resources */
    size_t cap_agent_rows;
    uint8_t *odd; /* by session: see n_odd; may be shorter than there are sessions */
    size_t cap_odd;

    uint32_t *seeded_rows; /* by session that was kept: live rows of its kernels; NULL: none was */

    /* Of the tables with a row a session or agent or more: read only what belongs to these, because
     * the rest is known. NULL: read all. */
    const struct load_only *only;
};

struct load_only {
    struct pg_param sessions, agents; /* uuid[], text[] */
};

/* Statements come in two: for all, and with one condition more on the ids in $3, after the group's
 * id and the limit. LOAD_SOME: which of them, and how many parameters it has more. */
#define LOAD_SOME(l) ((l)->only != NULL ? 1u : 0u)

/* false for the infinities of timestamptz as rows_time() gives them, and for NULL. */
static inline bool time_is_finite(int64_t us)
{
    return us > -INT64_C(1000000000000000000) && us != INT64_MAX;
}

/* For "LIMIT $n" of the large tables: NULL, no limit, unless this is a taste. */
struct pg_param load_limit(const struct load *l);

/* The owner of that key, added when new. NULL keys stand for "" and are missing. */
uint32_t owner_intern(struct load *l, enum owner_kind kind, const char *key);
uint32_t owner_intern_uuid(struct load *l, enum owner_kind kind, const struct uuid *id);

/* All of what follows, in its order. */
int load_all(struct load *l, const struct snapshot_query *q, struct snapshot_spec_owners *specs,
             struct err *e) MUST_CHECK;
int group_load(struct load *l, const char *name, struct err *e) MUST_CHECK; /* scaling_groups */
int cursors_load(struct load *l, struct err *e) MUST_CHECK;                 /* of the round robin */
int slots_load(struct load *l, struct err *e) MUST_CHECK;      /* resource_slot_types */
int agent_load(struct load *l, struct err *e) MUST_CHECK;      /* agents, agent_resources */
int container_load(struct load *l, struct err *e) MUST_CHECK;  /* kernels on them */
int session_load(struct load *l, struct err *e) MUST_CHECK;    /* PENDING sessions */
int kernel_load(struct load *l, struct err *e) MUST_CHECK;     /* their kernels */
int allocation_load(struct load *l, struct err *e) MUST_CHECK; /* what the kernels ask for */
int dependency_load(struct load *l, struct err *e) MUST_CHECK; /* what the sessions wait for */
int session_group_load(struct load *l, const struct uuid *extra, uint32_t n_extra,
                       struct err *e) MUST_CHECK; /* groups and members */
/* Who the specs of the query are, then session_group_load() with theirs; ret: by spec. */
int specs_load(struct load *l, const struct snapshot_query *q, struct snapshot_spec_owners *ret,
               struct err *e) MUST_CHECK;
int owner_load(struct load *l, struct err *e) MUST_CHECK;         /* limits, counts, versions */
int owner_usage_load(struct load *l, struct err *e) MUST_CHECK;   /* usage, all groups */
int other_pending_load(struct load *l, struct err *e) MUST_CHECK; /* the keys' queues elsewhere */

#endif
