/* pending_session_count_limit.c - rule 4: the session's 0-based rank among the pending sessions of
 * its access key is below the limit. Private sessions are neither checked nor counted. */
#include <inttypes.h>

#include "scheduler/limits.h"

struct state {
    const struct round_view *round;
    struct arena *arena;
    const struct pending *pending; /* made when a limit is met first */
};

static void *begin(const struct round_view *v, const struct option_value *options, struct arena *a)
{
    (void)options;
    struct state *s = arena_new(a, struct state, 1);
    *s = (struct state){.round = v, .arena = a};
    return s;
}

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    struct state *s = c->state;
    if (session_is_private(check_session(c)))
        return CHECK_PASSED;
    if (owner_is_unusable(c, OWNER_KEYPAIR, false, causes))
        return CHECK_REJECTED;
    const struct owner *o = &c->round->snapshot->owners[check_owner(c, OWNER_KEYPAIR)];
    if (o->max_pending == INT64_MAX)
        return CHECK_PASSED;
    if (s->pending == NULL)
        s->pending = pending_count(s->round, s->arena);
    if (s->pending->rank[c->session] < o->max_pending)
        return CHECK_PASSED;
    (void)cause_addf(causes, CAUSE_PENDING_COUNT, o->key,
                     "You cannot create more than %" PRId64 " pending session(s).", o->max_pending);
    return CHECK_REJECTED;
}

VALIDATOR(pending_session_count_limit, "pending_session_count_limit",
          "the access key stays within its number of pending sessions", NULL, .begin = begin,
          .check = check);
