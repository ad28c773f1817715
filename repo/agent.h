/* agent.h - agents of a scaling group and what is taken from them. Private to repo/.
 *
 * Loading is agent_load() of snapshot_loader.h. */
#ifndef BERTH_REPO_AGENT_H
#define BERTH_REPO_AGENT_H

#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/snapshot.h"

struct agent_lock {      /* an agent as it is now, locked until COMMIT */
    const char *problem; /* why nothing can be placed on it now, or NULL */
    const char *addr;
    int64_t *remaining; /* n_slots amounts, clamped at 0 */
};

/* Locks the agents of the snapshot given by index (ascending: that is the order of their ids), then
 * their agent_resources by (agent, slot). ret has n. */
int agent_lock(struct txn *t, const struct snapshot *s, const uint32_t *agents, uint32_t n,
               struct arena *a, struct agent_lock *ret, struct err *e) MUST_CHECK;

struct agent_charge {
    uint32_t agent, slot;
    int64_t amount;
};

/* Raises agent_resources.reserved, never above the capacity; the rows are locked and were checked.
 */
int agent_reserve(struct txn *t, const struct snapshot *s, const struct agent_charge *v, uint32_t n,
                  struct arena *a, struct err *e) MUST_CHECK;

#endif
