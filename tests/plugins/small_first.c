/* small_first.c - an out-of-tree sequencer: the session with the fewest kernels goes first. */
#include "scheduler/plugin.h"

struct state {
    const struct band *band;
    bool *offered;
};

static void *begin(const struct band *b)
{
    struct state *st = arena_new(b->arena, struct state, 1);
    st->band = b;
    st->offered = arena_new(b->arena, bool, b->n_sessions);
    return st;
}

static uint32_t pick_session(void *state)
{
    struct state *st = state;
    const struct session *sessions = st->band->round->snapshot->sessions;
    uint32_t best = NONE;
    for (uint32_t i = 0; i < st->band->n_sessions; i++) /* equal sizes: the older one */
        if (!st->offered[i] && (best == NONE || sessions[st->band->sessions[i]].n_kernels <
                                                    sessions[st->band->sessions[best]].n_kernels))
            best = i;
    if (best == NONE)
        return NONE;
    st->offered[best] = true;
    return st->band->sessions[best];
}

SEQUENCER(small_first, "small-first", "the session with the fewest kernels first", NULL,
          .begin = begin, .pick_session = pick_session);
