/* session_group_rank.c - order 2: spread takes the agents with the fewest members of the session's
 * group first, pack those with the most. */
#include "scheduler/plugin.h"

static bool applies(const struct room *m, const struct requirement *r,
                    const struct option_value *options)
{
    (void)m;
    (void)options;
    return r->group != NULL;
}

static int64_t rank(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)options;
    int64_t members = r->members[agent];
    return r->group->direction == GROUP_SPREAD ? members : -members;
}

ORDER(session_group_rank, "session_group_rank", "spread: fewest members first; pack: most first",
      NULL, .applies = applies, .rank = rank, .by_marks = true);
