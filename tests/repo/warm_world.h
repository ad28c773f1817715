/* warm_world.h - loads of the group that tests of warm rounds make, each in a transaction of its
 * own. They fail the test when a load fails; what it says is the caller's to look at. */
#ifndef BERTH_TESTS_WARM_WORLD_H
#define BERTH_TESTS_WARM_WORLD_H

#include "repo/warm.h"
#include "tests/repo/world.h"

/* warm_load() of "g1". */
struct warm_report warm_world_load(struct pg *c, struct warm **w, int64_t check_us, struct arena *a,
                                   const char *what);
/* warm_load_beside(). */
struct warm *warm_world_load_beside(struct pg *c, struct warm *base, const struct snapshot_query *q,
                                    int64_t check_us, struct arena *a, struct warm_report *ret,
                                    const char *what);

#endif
