/* designated_first.c - order 1: under the policy PREFERRED designated agents come first. */
#include "scheduler/plugin.h"

static bool applies(const struct room *m, const struct requirement *r,
                    const struct option_value *options)
{
    (void)m;
    (void)options;
    return r->designated != NULL && !r->designated_strict;
}

static int64_t rank(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)options;
    return r->designated[agent] ? 0 : 1;
}

ORDER(designated_first, "designated_first", "designated agents first", NULL, .applies = applies,
      .rank = rank, .by_marks = true);
