/* session.h - what Berth does to one session outside a round. */
#ifndef BERTH_REPO_SESSION_H
#define BERTH_REPO_SESSION_H

#include "repo/plan_commit.h"

struct cancel_result {
    const char *previous_status, *status; /* static storage or arena */
    bool already_terminal;
    bool unknown;                /* of many: there is no such session */
    bool forbidden;              /* permit() said no; nothing was done */
    struct event_slot *released; /* summed over the agents, by slot name */
    uint32_t n_released;
    struct event *events; /* 0 or 1 */
    uint32_t n_events;
    struct owner_count *owners; /* of many: those of all are with the first */
    uint32_t n_owners;
};

/* Cancels whatever the state (table in repo/README.md). Idempotent; ERR_NOT_FOUND, reason
 * UNKNOWN_SESSION. `answer` is as in commit_input, called with the result. */
struct cancel_input {
    struct uuid session_id;
    const char *reason;
    struct request_key request;
    int (*answer)(void *ctx, const struct cancel_result *r, struct arena *a, uint8_t **ret,
                  size_t *ret_len, struct err *e);
    void *answer_ctx;
    /* May a session of this scaling group be cancelled? Asked once the session is locked. NULL:
     * yes. */
    bool (*permit)(const void *ctx, const char *scaling_group);
    const void *permit_ctx;
};
int session_cancel(struct pg *c, const struct cancel_input *in, struct arena *a,
                   struct cancel_result *ret, struct err *e) MUST_CHECK;
/* The same of n different sessions in one transaction, all or none: after -1 nothing was done, and
 * the caller may try them one by one. A session that is unknown is one of the results. */
int session_cancel_many(struct pg *c, const struct cancel_input *const *in, uint32_t n,
                        struct arena *a, struct cancel_result *ret, struct err *e) MUST_CHECK;

/* Group, status and pending order data of one session. ERR_NOT_FOUND, reason UNKNOWN_SESSION. */
struct session_place {
    const char *scaling_group, *status;
};
/* ERR_NOT_FOUND, reason UNKNOWN_SESSION. Returns -1. */
int session_unknown(struct err *e, const struct uuid *id);
int session_find(struct txn *t, const struct uuid *id, struct arena *a, struct session_place *ret,
                 struct err *e) MUST_CHECK;

/* status_data.scheduler of sessions of a page: last causes, parsed. Same order as ids. */
int session_last_causes(struct txn *t, const struct uuid *ids, uint32_t n, struct arena *a,
                        struct event_cause **ret_causes, uint32_t *ret_n_causes,
                        struct err *e) MUST_CHECK;

#endif
