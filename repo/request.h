/* request.h - idempotency: answers already given, by request id (berth.requests). */
#ifndef BERTH_REPO_REQUEST_H
#define BERTH_REPO_REQUEST_H

#include "repo/plan_commit.h"

/* *ret is NULL when the id is new. ERR_EXISTS, reason REQUEST_ID_REUSED: another method or body. */
int request_find(struct txn *t, const struct request_key *k, struct arena *a, uint8_t **ret,
                 size_t *ret_len, struct err *e) MUST_CHECK;

/* Inside repo/, in the transaction that does the work. Both do nothing when k->id is NULL. They
 * fail with ERR_CONFLICT, reason REQUEST_RACE and RetryInfo, when the id has an answer by now: the
 * same call ran elsewhere, and asking again finds that answer. */
int request_check(struct txn *t, const struct request_key *k, struct err *e) MUST_CHECK;
int request_store(struct txn *t, const struct request_key *k, const uint8_t *answer, size_t len,
                  struct err *e) MUST_CHECK;

#endif
