/* snapshot.h - everything one round over one scaling group may know: the door into the scheduler.
 *
 * Dense tables; every cross reference is an index (NONE: no such row). Amounts stand in matrices, a
 * row of n_slots amounts each: row(i) = matrix + i * n_slots. All memory, strings too, belongs to
 * the arena the builder was given. Built only by snapshot_build.h, which establishes:
 *   slots           by (rank, name)
 *   archs           those in use, by name
 *   agents          by id in byte order
 *   owners          by (kind, key)
 *   sessions        PENDING sessions of the group by (created_at, id)
 *   kernels         a session's kernels adjacent, main first, then (cluster_idx, id)
 *   dependencies    a session's adjacent, by id
 *   designated      a session's adjacent, as stored
 *   session_groups  by id
 *   group_members   by (group, agent)
 *   other_pending   by (keypair, created_at, id)
 *   rr_cursors      by arch
 *   options         by key
 * Times are microseconds since the Unix epoch by the database's clock. Immutable once built. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_H
#define BERTH_SCHEDULER_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/amount.h"
#include "scheduler/base.h"
#include "scheduler/uuid.h"

struct snapshot_index; /* snapshot_index.h */

#define TIME_NONE INT64_MIN

struct slot {
    const char *name;
    enum slot_type type;
    int32_t rank;
};

struct agent {
    const char *id;
    const char *addr;
    uint32_t arch;      /* index into archs */
    int32_t containers; /* kernels in holding statuses on it, of any group */
    bool alive;         /* status is ALIVE */
    bool schedulable;   /* the operator's switch */
    const char
        *bad_data; /* sentence naming row and column, or NULL; such an agent is no candidate */
};

/* ALIVE, schedulable and readable: the agents a round places on. */
static inline bool agent_is_candidate(const struct agent *a)
{
    return a->alive && a->schedulable && a->bad_data == NULL;
}

enum owner_kind { OWNER_KEYPAIR, OWNER_USER, OWNER_PROJECT, OWNER_DOMAIN, N_OWNER_KINDS };

/* Keypair, user, project or domain of some pending session. Its limit and usage rows are in
 * owner_limit and owner_usage (the usage of non-private sessions over all scaling groups). */
struct owner {
    enum owner_kind kind;
    const char *key;     /* access key, user uuid text, project uuid text, domain name */
    const char *name;    /* project: its name; else equal to key */
    const char *missing; /* what was looked up and not found, e.g. `keypair "AKIA1"`; NULL: found */
    const char *bad_data; /* a limit that cannot be read: sentence; its checks fail with BAD_DATA */
    uint64_t version;     /* berth.owner_versions at snapshot time, 0: no row */
    /* Keypairs only: */
    int64_t max_sessions;      /* <= 0: no limit */
    int64_t max_sftp_sessions; /* <= 0: no limit */
    int64_t max_pending;       /* INT64_MAX: no limit (0 is a limit: none may pend) */
    bool has_pending_limit;    /* owner_pending_limit row counts: unnamed slots are AMOUNT_INF */
    int64_t live_sessions;     /* sessions in occupying statuses, all groups, not private */
    int64_t live_sftp_sessions;
};

enum session_type { SESSION_INTERACTIVE, SESSION_BATCH, SESSION_INFERENCE, SESSION_SYSTEM };
enum cluster_mode { CLUSTER_SINGLE_NODE, CLUSTER_MULTI_NODE };

/* What few sessions have. */
struct session_rare {
    uint32_t first_dependency, n_dependencies;
    uint32_t first_designated, n_designated; /* designated_agent_ids as stored */
    uint64_t cause_digest; /* of the causes last recorded (plan.h: causes_digest), 0: none */
    uint64_t
        record_digest; /* of all that is recorded of its last failure, 0: none; for the commit */
    int32_t carried;   /* of its retries, those that its row does not count yet; for the commit */
};

extern const struct session_rare session_rare_none; /* all zero: shared by those without */

struct session {
    struct uuid id;
    const char *name; /* NULL allowed */
    const char *creation_id;
    int64_t created_at;
    int64_t pending_since; /* PENDING stamp of status_history, else created_at */
    int64_t starts_at;     /* requested start or TIME_NONE */
    int32_t priority;      /* higher goes first */
    int32_t retries;       /* failures so far, >= 0 */
    uint32_t
        owner[N_OWNER_KINDS]; /* indexes into owners, never NONE: a missing row has `missing` */
    uint32_t group;           /* index into session_groups or NONE */
    uint32_t first_kernel, n_kernels;
    enum session_type type : 8;
    enum cluster_mode mode : 8;
    bool designated_strict;
    const char *bad_data; /* sentence naming row and column, or NULL; outcome INVALID, BAD_DATA */
    const struct session_rare *rare; /* never NULL in a snapshot */
};
_Static_assert(sizeof(struct session) == 112, "there may be a million");

static inline bool session_is_private(const struct session *s)
{
    return s->type == SESSION_SYSTEM;
}

struct kernel {
    struct uuid id;
    uint32_t arch;    /* index into archs */
    uint32_t request; /* row of requests; a builder sets it */
    int32_t cluster_idx;
    bool is_main;
};

enum dependency_state { DEPENDENCY_DONE, DEPENDENCY_WAITING, DEPENDENCY_FAILED };

struct dependency { /* DONE: TERMINATED and SUCCESS. FAILED: ended otherwise, will never be DONE */
    struct uuid id;
    const char *name;
    enum dependency_state state;
};

enum group_direction { GROUP_NO_DIRECTION, GROUP_SPREAD, GROUP_PACK };

struct session_group {
    struct uuid id;
    enum group_direction direction;
    bool strict;
};

struct group_members { /* live sessions of the group on that agent, each counted once an agent */
    uint32_t group, agent;
    int32_t count;
};

/* A PENDING, non-private session of one of our keypairs in another scaling group: it counts in the
 * ranks and sums of validators 4 and 5. Its request is in other_request. */
struct other_pending {
    uint32_t keypair; /* index into owners */
    int64_t created_at;
    struct uuid id;
};

struct rr_cursor { /* round-robin: the agent chosen last for this architecture */
    uint32_t arch;
    const char *agent_id; /* may be gone: the next greater id goes on */
};

struct option { /* one key of scheduler_opts.config; value is the JSON text of the value */
    const char *key;
    const char *value;
};

struct snapshot {
    int64_t observed_at; /* the only clock that decides anything */
    struct uuid group_id;
    const char *group_name;
    const char *scheduler;   /* scaling_groups.scheduler, as stored */
    const char *strategy;    /* scheduler_opts.agent_selection_strategy, default "dispersed" */
    int64_t pending_timeout; /* microseconds, <= 0: none */
    const char *bad_options; /* scheduler_opts that cannot be read: the sentence, else NULL */
    int64_t
        failure_rounds; /* of the group: repo's count of failures not written; decides nothing */

    uint32_t n_slots, n_archs, n_agents, n_owners, n_sessions, n_kernels, n_requests,
        n_dependencies, n_designated, n_session_groups, n_group_members, n_other_pending,
        n_rr_cursors, n_options;

    const struct slot *slots;
    const char *const *archs;
    const struct agent *agents;
    const int64_t *agent_capacity;
    const int64_t *agent_held; /* reserved + prereserved + used */
    const struct owner *owners;
    const int64_t *owner_limit;         /* AMOUNT_INF: none */
    const int64_t *owner_usage;         /* all groups */
    const int64_t *owner_group_usage;   /* keypairs: non-private usage in this group (drf) */
    const int64_t *owner_pending_limit; /* keypairs with has_pending_limit */
    const struct session *sessions;
    const struct kernel *kernels;
    const int64_t *requests; /* what kernels ask for, each such row once: snapshot_request() */
    const struct dependency *dependencies;
    const char *const *designated; /* agent ids */
    const struct session_group *session_groups;
    const struct group_members *group_members; /* by (group, agent) */
    const struct other_pending *other_pending;
    const int64_t *other_request;
    const struct rr_cursor *rr_cursors;
    const struct option *options;
    const struct snapshot_index *session_index; /* for snapshot_find_session() */
};

/* Row i of one of the matrices above. */
static inline const int64_t *snapshot_row(const struct snapshot *s, const int64_t *matrix,
                                          uint32_t i)
{
    return matrix + (size_t)i * s->n_slots;
}

/* What a kernel asks for. */
static inline const int64_t *snapshot_request(const struct snapshot *s, uint32_t kernel)
{
    return snapshot_row(s, s->requests, s->kernels[kernel].request);
}

uint32_t snapshot_find_slot(const struct snapshot *s, const char *name);         /* NONE: unknown */
uint32_t snapshot_find_agent(const struct snapshot *s, const char *id);          /* NONE: unknown */
uint32_t snapshot_find_session(const struct snapshot *s, const struct uuid *id); /* NONE: unknown */
uint32_t snapshot_find_owner(const struct snapshot *s, enum owner_kind kind, const char *key);
uint32_t snapshot_find_session_group(const struct snapshot *s, const struct uuid *id);

#endif
