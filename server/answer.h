/* answer.h - answers that are given once: what makes a call with a request_id idempotent.
 *
 * The first call stores its packed answer in the transaction that does the work; the same id again
 * gets the very same bytes. Whether a body is the same is decided by a SHA-256 of the request in
 * canonical form: request_id left out, defaults written out, unknown fields dropped. */
#ifndef BERTH_SERVER_ANSWER_H
#define BERTH_SERVER_ANSWER_H

#include <protobuf-c/protobuf-c.h>

#include "repo/request.h"
#include "scheduler/arena.h"
#include "scheduler/err.h"

/* id "": not idempotent, the key's id is NULL. canonical: the request in canonical form. The id is
 * lent. */
struct request_key answer_key(const char *id, const char *method, const ProtobufCMessage *canonical,
                              struct arena *a);

/* The stored answer; *ret is NULL when there is none (or the key has no id). ERR_EXISTS as in
 * repo/request.h. */
int answer_find(struct pg *c, const struct request_key *k, struct arena *a, uint8_t **ret,
                size_t *ret_len, struct err *e) MUST_CHECK;

/* After a call failed with *e: true when it failed because another call with this id was answered
 * meanwhile; the outputs are then that answer. false: *e stands. */
bool answer_after_race(struct pg *c, const struct request_key *k, struct arena *a, uint8_t **ret,
                       size_t *ret_len, const struct err *e);

void answer_pack(const ProtobufCMessage *m, struct arena *a, uint8_t **ret, size_t *ret_len);

#endif
