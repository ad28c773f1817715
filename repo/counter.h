/* counter.h - concurrency counters in Redis: mirrors of what PostgreSQL knows. */
#ifndef BERTH_REPO_COUNTER_H
#define BERTH_REPO_COUNTER_H

#include "repo/plan_commit.h"
#include "repo/redis.h"

/* Writes keypair.concurrency_used.<key> and keypair.sftp_concurrency_used.<key> as absolute values;
 * an older version never overwrites a newer one (a script). */
int counter_mirror(struct redis *r, const struct owner_count *c, uint32_t n,
                   struct err *e) MUST_CHECK;

/* Mirrors all access keys anew: those with live sessions, and as 0 those that Berth ever changed
 * and that have none. Counts and versions are of one snapshot, so the version guard holds. Then
 * leaves a mark in Redis. A Redis that was erased meanwhile has no mark afterwards. */
int counter_mirror_all(struct pg *c, struct redis *r, uint32_t *ret_keys, struct err *e) MUST_CHECK;

/* false in *ret: the mark is not there, or it was left in another run of the Redis server: it was
 * erased or restarted, perhaps with what it had long ago, so the mirrors must be made anew. */
int counter_is_whole(struct redis *r, bool *ret, struct err *e) MUST_CHECK;

#endif
