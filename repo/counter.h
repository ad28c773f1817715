/* counter.h - concurrency counters in Redis: mirrors of what PostgreSQL knows. */
#ifndef BERTH_REPO_COUNTER_H
#define BERTH_REPO_COUNTER_H

#include "repo/plan_commit.h"
#include "repo/redis.h"

/* Writes keypair.concurrency_used.<key> and keypair.sftp_concurrency_used.<key> as absolute values;
 * an older version never overwrites a newer one (a script). */
int counter_mirror(struct redis *r, const struct owner_count *c, uint32_t n,
                   struct err *e) MUST_CHECK;

#endif
