/* allocation.h - resource_allocations, the ledger: what each kernel asked for, holds and gave back.
 * Private to repo/.
 *
 * A row is live while free_at is NULL. Its buckets prereserved, reserved and used say what of it
 * stands in the same buckets of agent_resources. Loading is allocation_load() of snapshot_loader.h.
 */
#ifndef BERTH_REPO_ALLOCATION_H
#define BERTH_REPO_ALLOCATION_H

#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/snapshot.h"

/* Stamps the live rows of these kernels of the snapshot as reserved. matched[i]: the rows of kernel
 * i said exactly what the snapshot says it asks for. */
int allocation_reserve(struct txn *t, const struct snapshot *s, const uint32_t *kernels, uint32_t n,
                       struct arena *a, bool *matched, struct err *e) MUST_CHECK;

struct allocation_release { /* given back to agents, summed by session and slot */
    uint32_t session;       /* of those given */
    const char *slot;
    const char *amount; /* plain decimal text, > 0 */
};

/* Ends the live rows of these sessions' kernels (free_at) and gives their buckets back to the
 * agents they were taken from. ret (NULL is fine) is by session and slot name; the rows keep their
 * buckets as a record. */
int allocation_free(struct txn *t, const struct uuid *sessions, uint32_t n, struct arena *a,
                    struct allocation_release **ret, uint32_t *ret_n, struct err *e) MUST_CHECK;
/* The same for sessions whose kernels, locked, have no agent: nothing is given back. */
int allocation_end(struct txn *t, const struct uuid *sessions, uint32_t n, struct arena *a,
                   struct err *e) MUST_CHECK;

#endif
