/* redis.h - one Redis connection, one thread's. Nothing in Redis is needed for safety.
 *
 * address: "unix:/path/to/socket" or "host:port". Connects at first use and again after an error;
 * every wait is bounded by timeout_ms. */
#ifndef BERTH_REPO_REDIS_H
#define BERTH_REPO_REDIS_H

#include "scheduler/err.h"

struct redis;

int redis_create(const char *address, int timeout_ms, struct redis **ret, struct err *e) MUST_CHECK;
/* The numbered database to work in, 0 unless said; before the first command. */
void redis_use(struct redis *r, unsigned database);
void redis_destroy(struct redis *r);                       /* NULL is fine */
int redis_ping(struct redis *r, struct err *e) MUST_CHECK; /* ERR_UNAVAILABLE, REDIS_UNAVAILABLE */
DEFINE_CLEANUP(struct redis, redis_destroy)

#endif
