/* cluster.h - random small clusters with everything in them that the rules speak of. */
#ifndef BERTH_TESTS_CLUSTER_H
#define BERTH_TESTS_CLUSTER_H

#include "scheduler/policy.h"
#include "scheduler/snapshot.h"

struct rng {
    uint64_t state;
};

uint32_t rng_below(struct rng *r, uint32_t n); /* 0 .. n-1; n > 0 */
bool rng_chance(struct rng *r, uint32_t percent);

struct cluster {
    const struct snapshot *snapshot;
    struct policy_config config;
    uint32_t max_sessions; /* 0: all */
};

/* The same seed gives the same cluster; `shuffle` only changes the order in which the rows are
 * handed to the builder, never the cluster. */
void cluster_create(uint64_t seed, uint64_t shuffle, struct arena *a, struct cluster *ret);

#endif
