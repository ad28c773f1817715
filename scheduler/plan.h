/* plan.h - what a round decided and why: the door out of the scheduler.
 *
 * Sessions, kernels, agents and slots are indexes into the snapshot the plan was made from. All
 * memory belongs to the arena given to round_run(); causes may be shared between decisions. */
#ifndef BERTH_SCHEDULER_PLAN_H
#define BERTH_SCHEDULER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/snapshot.h"

/* What became of a session. The numbers are those of the wire (proto SessionOutcome). */
enum outcome {
    OUTCOME_NONE,
    OUTCOME_SCHEDULED,
    OUTCOME_WAITING,    /* no room now */
    OUTCOME_BLOCKED,    /* a validator */
    OUTCOME_INFEASIBLE, /* never, on this group */
    OUTCOME_INVALID,    /* BAD_DATA, NO_KERNELS, MIXED_ARCHITECTURE */
    OUTCOME_EXPIRED,    /* pending timeout */
    OUTCOME_CANCELLED,  /* private session that failed a validator */
    OUTCOME_CONFLICT,   /* lost at commit; set by repo/plan_commit only */
    OUTCOME_SKIPPED,    /* not tried this round */
    N_OUTCOMES
};

/* The numbers are those of the wire (proto CauseKind). */
enum cause_kind {
    CAUSE_NONE,
    CAUSE_NOT_BEFORE,
    CAUSE_DEPENDENCY,
    CAUSE_DEPENDENCY_FAILED,
    CAUSE_CONCURRENCY,
    CAUSE_PENDING_COUNT,
    CAUSE_PENDING_RESOURCE,
    CAUSE_KEYPAIR_QUOTA,
    CAUSE_USER_QUOTA,
    CAUSE_GROUP_QUOTA,
    CAUSE_DOMAIN_QUOTA,
    CAUSE_OWNER_NOT_FOUND,
    CAUSE_PLUGIN,
    CAUSE_NO_AGENTS,
    CAUSE_ARCHITECTURE,
    CAUSE_DESIGNATED,
    CAUSE_SESSION_GROUP,
    CAUSE_CAPACITY,
    CAUSE_INFEASIBLE,
    CAUSE_CONTAINER_LIMIT,
    CAUSE_MIXED_ARCHITECTURE,
    CAUSE_NO_KERNELS,
    CAUSE_BAD_DATA,
    CAUSE_CONFLICT,
    CAUSE_PENDING_TIMEOUT,
    CAUSE_QUEUE_POLICY,      /* skipped: top-priority or stop-at-first */
    CAUSE_ROUND_LIMIT,       /* skipped: session or time budget of the round used up */
    CAUSE_AGENT_UNAVAILABLE, /* previews: the agent is not ALIVE, not schedulable or unreadable */
    N_CAUSE_KINDS
};

struct shortage { /* AMOUNT_UNKNOWN where a number does not apply */
    uint32_t slot;
    int64_t requested, available, limit;
};

struct cause {
    enum cause_kind kind;
    const char
        *plugin; /* validator, filter or engine step that says so: "keypair_resource_limit" */
    const char
        *subject; /* what it is about: agent id, access key, project name, session id; or "" */
    const char *message; /* one sentence for a person */
    const struct shortage *slots;
    uint32_t n_slots;
    bool retryable; /* can pass later without a change to the session itself */
};

struct placement {
    uint32_t kernel, agent;
};

struct decision {
    const struct cause *causes;
    uint64_t passed; /* bit i: validator i of the policy passed */
    uint32_t session;
    uint32_t first_placement, n_placements; /* SCHEDULED: one per kernel, in kernel order */
    uint32_t n_causes : 24;
    enum outcome outcome : 8;
};
_Static_assert(sizeof(struct decision) == 32, "no byte is lost");

struct plan {
    struct decision *decisions; /* in the order they were made, expired first; one per session */
    uint32_t n_decisions;
    struct placement *placements;
    uint32_t n_placements;
    struct rr_cursor *rr_cursors; /* all cursors after the round, by architecture name */
    uint32_t n_rr_cursors;
    uint32_t counts[N_OUTCOMES];
    const char *const *validators; /* names, in the order of the bits of decision.passed */
    uint32_t n_validators;
    bool stopped;           /* some are SKIPPED because a budget, of sessions or of time, ended */
    uint32_t stopped_after; /* after so many had been offered; 0 when not stopped */
    uint64_t hash; /* of decisions, placements, cause kinds and cursors; equal on any machine */
};

const char *outcome_name(enum outcome o);       /* "SCHEDULED"; "UNKNOWN" for no outcome */
const char *cause_kind_name(enum cause_kind k); /* "CAPACITY"; "UNKNOWN" for no kind */
/* Fingerprint of what a person would call "the same reason": kinds, plugins and subjects in order,
 * no numbers; 0 for n = 0 only. The subject of a CAPACITY, INFEASIBLE or CONTAINER_LIMIT cause (the
 * agent that came nearest, which changes with the load) does not count. */
uint64_t causes_digest(const struct cause *causes, uint32_t n);
/* FNV-1a, 64 bits, numbers little-endian in 4 bytes, texts with their NUL. Of each decision:
 * session id (16 bytes), outcome (1 byte), number of causes, their kinds (1 byte each), number of
 * placements, of each the kernel's position in its session and the agent's id. Then of each cursor:
 * architecture and agent id. */
uint64_t plan_hash(const struct snapshot *s, const struct plan *p);

#endif
