/* lease_keeper.h - the watchdog that keeps leases alive while their rounds run.
 *
 * One thread with a Redis connection of its own renews every lease in its care at a third of its
 * life. A lease that is lost (Redis restarted empty, the process was stopped for long) is logged
 * and left alone: the epoch decides who may commit. */
#ifndef BERTH_SERVER_LEASE_KEEPER_H
#define BERTH_SERVER_LEASE_KEEPER_H

#include "repo/lease.h"

struct lease_keeper;

int lease_keeper_create(const char *redis, int redis_timeout_ms, int ttl_ms,
                        struct lease_keeper **ret, struct err *e) MUST_CHECK;
void lease_keeper_destroy(struct lease_keeper *k); /* NULL is fine; no lease may be in its care */
DEFINE_CLEANUP(struct lease_keeper, lease_keeper_destroy)

int lease_keeper_ttl_ms(const struct lease_keeper *k);

/* A lease in care. The caller's memory, from keep to drop; the members are the keeper's. */
struct kept_lease {
    struct lease lease; /* as acquired, set by the caller */
    int64_t renew_ns;   /* CLOCK_MONOTONIC */
    struct kept_lease *next;
};

/* Any thread. The lease was acquired just now. */
void lease_keeper_keep(struct lease_keeper *k, struct kept_lease *l);
/* Any thread. After it the lease is not touched again; release it then. */
void lease_keeper_drop(struct lease_keeper *k, struct kept_lease *l);

#endif
