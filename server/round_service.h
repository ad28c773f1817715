/* round_service.h - one round from the lease to the last mirror.
 *
 * lease (Redis) -> epoch (PostgreSQL) -> load -> policy -> round -> commit -> publish -> release.
 * The lease only keeps replicas from doing the same work; when Redis is away the round runs under
 * the epoch alone, which is what makes it safe. A watchdog thread with a Redis connection of its
 * own renews the leases of all rounds of this replica at a third of their life. Any number of
 * rounds may run at once, each on an executor's thread. */
#ifndef BERTH_SERVER_ROUND_SERVICE_H
#define BERTH_SERVER_ROUND_SERVICE_H

#include "repo/plan_commit.h"
#include "scheduler/policy.h"
#include "scheduler/round.h"
#include "server/report_phase.h"

struct bridge;
struct config;
struct hub;
struct redis;
struct round_service;
struct snapshot_share;

/* All five are lent and must outlive it; bridge: NULL is fine. ERR_INVALID: a setting about
 * policies is malformed. */
int round_service_create(const struct config *c, const struct registry *registry, struct hub *hub,
                         struct snapshot_share *snapshots, struct bridge *bridge,
                         struct round_service **ret, struct err *e) MUST_CHECK;
void round_service_destroy(struct round_service *s); /* NULL is fine; no round may be running */
DEFINE_CLEANUP(struct round_service, round_service_destroy)

struct round_report {
    struct uuid round_id;
    const char *scaling_group;
    int64_t epoch; /* 0: validate_only */
    const struct snapshot *snapshot;
    const struct plan *plan;
    int64_t phase_ns[N_REPORT_PHASES];
};

/* Builds the packed answer. With a request id it runs inside the last transaction, when every
 * outcome is final, and may run again when that is retried; else after publishing. */
typedef int round_answer_f(void *ctx, const struct round_report *r, struct arena *a, uint8_t **ret,
                           size_t *ret_len, struct err *e);

struct round_input {
    const char *scaling_group;
    uint32_t max_sessions;      /* 0: all */
    bool validate_only;         /* plan only: no lease, no epoch, nothing written */
    struct request_key request; /* ignored for validate_only, which has no effect to repeat */
    int64_t deadline_ns;        /* CLOCK_MONOTONIC; half of what is left is for deciding */
    bool (*stopped)(void *ctx); /* true: nobody waits any more; asked at safe points */
    void *stopped_ctx;
    round_answer_f *answer;
    void *answer_ctx;
};

struct worker { /* what a thread lends to a round */
    struct pg *pg;
    struct redis *redis;
    struct arena *arena;
};

/* *ret: the packed answer, in the worker's arena; a stored one byte for byte.
 * ERR_CONFLICT: LEASE_BUSY (meta "holder", RetryInfo) or FENCED. ERR_NOT_FOUND:
 * UNKNOWN_SCALING_GROUP. ERR_PRECONDITION: the policy. ERR_CANCELLED or ERR_TIMEOUT when stopped:
 * nothing was written. Whatever was committed before a failure has been published. */
int round_service_run(struct round_service *s, const struct worker *w, const struct round_input *in,
                      uint8_t **ret, size_t *ret_len, struct err *e) MUST_CHECK;

/* The policy of a snapshot under this server's configuration; ERR_PRECONDITION says what is wrong.
 */
int round_service_policy(const struct round_service *s, const struct snapshot *snapshot,
                         struct arena *a, struct policy **ret, struct err *e) MUST_CHECK;

/* Writes the counters of access keys to Redis; a failure is logged, the mirrors catch up with the
 * next change. */
void round_service_mirror(struct redis *r, const struct owner_count *owners, uint32_t n);

#endif
