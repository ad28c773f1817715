/* warm_keeper.h - what rounds keep of their scaling groups between them: repo/warm.h, by group.
 *
 * A round takes what is kept, so nobody else has it, and puts it back when it ends. At most
 * max_bytes are kept, the longest unused go first, and what no round took for keep_ms goes: another
 * replica has the group now. A thread of its own sees to that. Any thread. */
#ifndef BERTH_SERVER_WARM_KEEPER_H
#define BERTH_SERVER_WARM_KEEPER_H

#include "repo/warm.h"

struct warm_keeper;

int warm_keeper_create(struct warm_keeper **ret, struct err *e) MUST_CHECK;
void warm_keeper_destroy(struct warm_keeper *k); /* NULL is fine */

/* NULL: nothing is kept of that group. */
struct warm *warm_keeper_take(struct warm_keeper *k, const char *scaling_group);
/* w is the keeper's from now on; NULL is fine. */
void warm_keeper_put(struct warm_keeper *k, const char *scaling_group, struct warm *w,
                     int64_t max_bytes, int64_t keep_ms);

#endif
