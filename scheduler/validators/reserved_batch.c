/* reserved_batch.c - rule 1: a BATCH session does not run before its requested start. */
#include "scheduler/limits.h"

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    const struct session *x = check_session(c);
    if (x->type != SESSION_BATCH || x->starts_at == TIME_NONE ||
        c->round->snapshot->observed_at >= x->starts_at)
        return CHECK_PASSED;
    (void)cause_add(causes, CAUSE_NOT_BEFORE, NULL, "Before start time");
    return CHECK_REJECTED;
}

VALIDATOR(reserved_batch, "reserved_batch", "a batch session waits for its requested start", NULL,
          .check = check);
