/* pool.c - counts of connections, one atomic addition each. */
#include "repo/pool.h"

#include <stdatomic.h>

static struct {
    atomic_llong opened, reopened, failed, closed, begun, ended;
} pools[N_POOLS];

static void count(atomic_llong *c)
{
    atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

/* What ended is read first: a connection that comes meanwhile must not make less than none. */
void pool_use(enum pool p, struct pool_use *ret)
{
    const long long closed = atomic_load(&pools[p].closed);
    const long long ended = atomic_load(&pools[p].ended);
    ret->failed = atomic_load(&pools[p].failed);
    ret->reopened = atomic_load(&pools[p].reopened);
    ret->opened = atomic_load(&pools[p].opened);
    ret->open = ret->opened - closed;
    ret->busy = atomic_load(&pools[p].begun) - ended;
}

void pool_opened(enum pool p, bool *was_open)
{
    count(&pools[p].opened);
    if (*was_open)
        count(&pools[p].reopened);
    *was_open = true;
}

void pool_failed(enum pool p)
{
    count(&pools[p].failed);
}

void pool_closed(enum pool p)
{
    count(&pools[p].closed);
}

void pool_busy(enum pool p)
{
    count(&pools[p].begun);
}

void pool_idle(enum pool p)
{
    count(&pools[p].ended);
}
