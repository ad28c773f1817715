/* lifo.c - the newest first. */
#include "scheduler/plugin.h"

struct lifo {
    const struct band *band;
    uint32_t left;
};

static void *begin(const struct band *b)
{
    struct lifo *l = arena_new(b->arena, struct lifo, 1);
    *l = (struct lifo){.band = b, .left = b->n_sessions};
    return l;
}

static uint32_t pick_session(void *state)
{
    struct lifo *l = state;
    return l->left > 0 ? l->band->sessions[--l->left] : NONE;
}

SEQUENCER(lifo, "lifo", "the newest first", NULL, .begin = begin, .pick_session = pick_session);
