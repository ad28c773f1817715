/* remedy_turn.c - a higher priority, for a session that fares better when its turn comes earlier.
 *
 * Only a priority that equals another session's, or is one more, makes a difference: the search
 * halves a list of those. */
#include <stdlib.h>

#include "scheduler/remedy_internal.h"

enum { MAX_STEPS = 512 };

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The priorities above its own that make a difference, ascending, each once. */
static uint32_t list_steps(const struct finder *f, int64_t steps[MAX_STEPS])
{
    const struct snapshot *s = remedy_world_snapshot(f->world);
    int32_t own = s->sessions[remedy_world_session(f->world)].priority;
    uint32_t n = 0, distinct = 0;
    for (uint32_t i = 0; i < s->n_sessions && n + 2 <= MAX_STEPS; i++) {
        int64_t other = s->sessions[i].priority;
        bool again = n >= 2 && (steps[n - 1] == other + 1 || steps[n - 2] == other);
        if (other < own || again)
            continue;
        steps[n++] = other;
        steps[n++] = other + 1;
    }
    qsort(steps, n, sizeof(*steps), by_number);
    for (uint32_t i = 0; i < n; i++)
        if (steps[i] > own && steps[i] <= INT32_MAX &&
            (distinct == 0 || steps[distinct - 1] != steps[i]))
            steps[distinct++] = steps[i];
    return distinct;
}

void remedies_for_turn(struct finder *f, uint32_t from, uint32_t n)
{
    int64_t *steps = arena_new(f->arena, int64_t, MAX_STEPS);
    uint32_t n_steps = list_steps(f, steps), low = 0;
    struct remedy_change *c = change_new(f, REMEDY_RAISE_PRIORITY);
    if (n_steps == 0)
        return;
    uint32_t high = n_steps - 1; /* cures, if anything does */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        c->count = steps[middle];
        if (finder_tries(f, from, n, c, 1))
            high = middle;
        else
            low = middle + 1;
    }
    c->count = steps[high];
    (void)finder_offer(f, from, n, c, 1);
}
