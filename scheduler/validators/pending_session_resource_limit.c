/* pending_session_resource_limit.c - rule 5: for each slot the limit names, the sum over the
 * pending sessions of the access key up to and including this one is within it. Private sessions
 * are neither checked nor counted. */
#include "scheduler/cause.h"
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

static struct shortage *list_violated(const struct snapshot *s, const int64_t *sum,
                                      const int64_t *limit, struct arena *a, uint32_t *ret_n)
{
    struct shortage *over = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_slots; i++) {
        if (limit[i] == AMOUNT_INF || sum[i] <= limit[i])
            continue;
        if (over == NULL)
            over = arena_new(a, struct shortage, s->n_slots);
        over[n++] = (struct shortage){
            .slot = i, .requested = sum[i], .available = AMOUNT_UNKNOWN, .limit = limit[i]};
    }
    *ret_n = n;
    return over;
}

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    struct state *state = c->state;
    const struct snapshot *s = c->round->snapshot;
    if (session_is_private(check_session(c)))
        return CHECK_PASSED;
    if (owner_is_unusable(c, OWNER_KEYPAIR, true, causes))
        return CHECK_REJECTED;
    uint32_t key = check_owner(c, OWNER_KEYPAIR);
    if (!s->owners[key].has_pending_limit)
        return CHECK_PASSED;
    if (state->pending == NULL)
        state->pending = pending_sum(state->round, state->arena);
    const int64_t *sum = state->pending->sum[c->session];
    uint32_t n = 0;
    struct shortage *over =
        list_violated(s, sum, snapshot_row(s, s->owner_pending_limit, key), causes->arena, &n);
    if (n == 0)
        return CHECK_PASSED;
    struct cause *added = cause_addf(causes, CAUSE_PENDING_RESOURCE, s->owners[key].key,
                                     "Your pending session quota is exceeded. (%s)",
                                     cause_amounts(s, c->asked, c->n_asked, sum, causes->arena));
    added->slots = over;
    added->n_slots = n;
    return CHECK_REJECTED;
}

VALIDATOR(pending_session_resource_limit, "pending_session_resource_limit",
          "the access key's pending sessions stay within their quota", NULL, .begin = begin,
          .check = check);
