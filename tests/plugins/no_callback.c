/* no_callback.c - a sequencer that cannot pick. */
#include "scheduler/plugin.h"

static void *begin(const struct band *b)
{
    return arena_new(b->arena, char, 1);
}

SEQUENCER(no_callback, "no-callback", "never loaded", NULL, .begin = begin);
