/* pool.h - how the process uses its connections, all of one kind together.
 *
 * A connection belongs to one thread and knows nothing of the others; here they are only counted,
 * for whoever watches over the process. */
#ifndef BERTH_REPO_POOL_H
#define BERTH_REPO_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum pool { POOL_DATABASE, POOL_REDIS, N_POOLS };

struct pool_use {
    int64_t open;     /* connections there are now */
    int64_t busy;     /* of these: in a transaction (database), or waiting for an answer (Redis) */
    int64_t opened;   /* since the start: connections made */
    int64_t reopened; /* of these: in place of one that had been lost */
    int64_t failed;   /* since the start: connections that could not be made */
};

/* Any thread. */
void pool_use(enum pool p, struct pool_use *ret);

/* For the owners of connections: pg.c, txn.c, redis.c. was_open: an earlier one of the same owner
 * is set to true, and tells next time that it is not the first. */
void pool_opened(enum pool p, bool *was_open);
void pool_failed(enum pool p);
void pool_closed(enum pool p);
void pool_busy(enum pool p);
void pool_idle(enum pool p); /* once a pool_busy() */

#endif
