/* lease.h - the group lease in Redis: keeps replicas from doing the same work. Not needed for
 * safety (the epoch is); SET NX PX with a random token, renewed and released by script if still
 * ours. */
#ifndef BERTH_REPO_LEASE_H
#define BERTH_REPO_LEASE_H

#include <stdint.h>

#include "repo/redis.h"

enum { LEASE_TEXT = 128 };

struct lease { /* plain value; released by lease_release() */
    char key[LEASE_TEXT];
    char token[LEASE_TEXT]; /* "<replica>/<32 hex digits>" */
};

/* ERR_CONFLICT, reason LEASE_BUSY with RetryInfo and meta "holder": somebody else has it.
 * ERR_UNAVAILABLE: Redis is away. */
int lease_acquire(struct redis *r, const char *scaling_group, const char *replica, int ttl_ms,
                  struct lease *ret, struct err *e) MUST_CHECK;
/* ERR_CONFLICT, reason LEASE_LOST: it is not ours any more. */
int lease_renew(struct redis *r, const struct lease *l, int ttl_ms, struct err *e) MUST_CHECK;
int lease_release(struct redis *r, const struct lease *l, struct err *e) MUST_CHECK;
/* Replica that holds the group's lease now, "" when nobody does. */
int lease_holder(struct redis *r, const char *scaling_group, char ret[LEASE_TEXT],
                 struct err *e) MUST_CHECK;

#endif
