/* request.h - idempotency: answers already given, by request id (berth.requests). */
#ifndef BERTH_REPO_REQUEST_H
#define BERTH_REPO_REQUEST_H

#include "repo/plan_commit.h"

/* *ret is NULL when the id is new. ERR_EXISTS, reason REQUEST_ID_REUSED: another method or body. */
int request_find(struct txn *t, const struct request_key *k, struct arena *a, uint8_t **ret,
                 size_t *ret_len, struct err *e) MUST_CHECK;

#endif
