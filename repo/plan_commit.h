/* plan_commit.h - plan -> guarded rows, history and events, one transaction a chunk
 * (the protocol is in repo/README.md). */
#ifndef BERTH_REPO_PLAN_COMMIT_H
#define BERTH_REPO_PLAN_COMMIT_H

#include "repo/event.h"

/* Idempotency: the answer is stored by the transaction that commits the last chunk. */
struct request_key {
    const char *id;     /* NULL: not idempotent */
    const char *method; /* "ScheduleScalingGroup" */
    uint8_t body_hash[32];
};

struct commit_input {
    const struct snapshot *snapshot;
    struct plan *plan;
    int64_t epoch;
    struct uuid round_id;
    const char *replica; /* name of this replica, for berth.rounds */
    const char *phases;  /* for berth.rounds: JSON object, phase -> microseconds; NULL: {} */
    struct request_key request;
    /* Called inside the last transaction when every outcome is final, to build the answer to store;
     * may run again when the transaction is retried. NULL: nothing to store. */
    int (*answer)(void *ctx, const struct plan *plan, struct arena *a, uint8_t **ret,
                  size_t *ret_len, struct err *e);
    void *answer_ctx;
    uint32_t chunk; /* sessions a transaction; 0: 5000 */
    /* Asked at the beginning of each transaction; -1 with *e ends the commit there. NULL: nobody
     * is. */
    int (*guard)(void *ctx, struct err *e);
    void *guard_ctx;
};

struct owner_count { /* live sessions of an access key after the commit, for the mirrors */
    const char *access_key;
    int64_t sessions, sftp_sessions;
    int64_t version; /* grows with every change of the key */
};

struct commit_result {
    struct event *events; /* all that was committed, by sequence */
    uint32_t n_events;
    struct owner_count *owners; /* access keys whose count changed */
    uint32_t n_owners;
};

/* Decisions that lost to another writer become OUTCOME_CONFLICT with a cause, in place, and
 * plan->counts and plan->hash stay those of the decisions as committed (hash: as planned). What an
 * earlier chunk committed stays committed when a later one fails; *ret then holds its events, and
 * -1 is returned. ERR_CONFLICT, reason FENCED: a newer epoch exists, nothing was written. */
int plan_commit(struct pg *c, const struct commit_input *in, struct arena *a,
                struct commit_result *ret, struct err *e) MUST_CHECK;

#endif
