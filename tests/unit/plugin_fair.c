/* plugin_fair.c - what somebody outside the tree might write: a sequencer that goes by the factor
 * of the session's project, given as options. Compiled as a shared plugin is. */
#define BERTH_PLUGIN_SHARED 1
#include "scheduler/plugin.h"

#include <stdlib.h>
#include <string.h>

enum { FAVOURITE, WEIGHT };

static const struct option_spec options[] = {
    [FAVOURITE] = {.key = "favourite",
                   .doc = "the project that goes first",
                   .type = OPTION_TEXT,
                   .standard_text = ""},
    [WEIGHT] = {.key = "weight",
                .doc = "0: it has no favourites",
                .type = OPTION_INTEGER,
                .min = 0,
                .max = 1,
                .standard = 1},
    {.key = NULL},
};

struct fair {
    const struct band *band;
    uint32_t next;
    bool others; /* second pass */
};

static void *begin(const struct band *b)
{
    struct fair *f = arena_new(b->arena, struct fair, 1);
    f->band = b;
    return f;
}

static bool is_favourite(const struct fair *f, uint32_t session)
{
    const struct snapshot *s = f->band->round->snapshot;
    const struct owner *project = &s->owners[s->sessions[session].owner[OWNER_PROJECT]];
    return f->band->options[WEIGHT].number > 0 &&
           strcmp(project->key, f->band->options[FAVOURITE].text) == 0;
}

static uint32_t pick_session(void *state)
{
    struct fair *f = state;
    for (;;) {
        while (f->next < f->band->n_sessions) {
            uint32_t session = f->band->sessions[f->next++];
            if (is_favourite(f, session) != f->others)
                return session;
        }
        if (f->others)
            return NONE;
        f->others = true;
        f->next = 0;
    }
}

SEQUENCER(fair_share, "fair-share", "the favourite project first", options, .begin = begin,
          .pick_session = pick_session);
