/* fifo.c - in order of creation. With num_retries_to_skip = n > 0, sessions that were tried n times
 * or more come after all others of the band, in order. */
#include "scheduler/plugin.h"

enum { NUM_RETRIES_TO_SKIP };

static const struct option_spec options[] = {
    [NUM_RETRIES_TO_SKIP] = {.key = "num_retries_to_skip",
                             .doc =
                                 "tries after which a session lets the others go first; 0: never",
                             .type = OPTION_INTEGER,
                             .min = 0,
                             .max = INT64_MAX,
                             .standard = 0},
    {.key = NULL},
};

struct fifo {
    const struct band *band;
    uint32_t next;
    bool skipped; /* second pass: those that were skipped in the first */
};

static void *begin(const struct band *b)
{
    struct fifo *f = arena_new(b->arena, struct fifo, 1);
    f->band = b;
    return f;
}

static bool goes_last(const struct fifo *f, uint32_t session)
{
    int64_t limit = f->band->options[NUM_RETRIES_TO_SKIP].number;
    return limit > 0 && f->band->round->snapshot->sessions[session].retries >= limit;
}

static uint32_t pick_session(void *state)
{
    struct fifo *f = state;
    for (;;) {
        while (f->next < f->band->n_sessions) {
            uint32_t session = f->band->sessions[f->next++];
            if (goes_last(f, session) == f->skipped)
                return session;
        }
        if (f->skipped)
            return NONE;
        f->skipped = true;
        f->next = 0;
    }
}

SEQUENCER(fifo, "fifo", "in order of creation", options, .begin = begin,
          .pick_session = pick_session);
