/* round_check.h - runs a round and holds it to what is true of every round. */
#ifndef BERTH_TESTS_FUZZ_ROUND_CHECK_H
#define BERTH_TESTS_FUZZ_ROUND_CHECK_H

#include "scheduler/round.h"

/* The plan of a round; NULL: the group's options do not resolve, with a sentence. Aborts when: a
 * session has not just one decision; a session is placed in part; an agent that is no candidate is
 * used, or one is filled above its capacity; a session that waits has no cause or a cause no
 * sentence; the counts are not those of the decisions; looking at every agent anew, replaying, or
 * going through the file format gives another plan. */
struct plan *round_check(const struct registry *r, const struct policy_config *c,
                         const struct snapshot *s, struct arena *a, struct policy **ret_policy);

#endif
