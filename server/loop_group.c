/* loop_group.c - intervals, hints and pauses of one group. */
#include "server/loop_group.h"

#include <stdlib.h>
#include <string.h>

enum { JITTER_PART = 10 }; /* intervals are shortened by up to a tenth */

struct loop_group *loop_group_create(const char *name, const struct loop_times *t, int64_t due_ns)
{
    struct loop_group *g = calloc(1, sizeof(*g));
    if (g == NULL || (g->name = strdup(name)) == NULL)
        abort(); /* out of memory */
    g->times = *t;
    g->due_ns = due_ns;
    return g;
}

void loop_group_destroy(struct loop_group *g)
{
    if (g == NULL)
        return;
    free(g->name);
    free(g);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t loop_group_next(const struct loop_group *g)
{
    if (g->running)
        return INT64_MAX;
    if (!g->hinted || g->failures > 0)
        return g->due_ns;
    const int64_t soonest = g->begun_ns == 0 ? 0 : g->begun_ns + g->times.hint_ns;
    return soonest < g->due_ns ? soonest : g->due_ns;
}

void loop_group_hint(struct loop_group *g)
{
    g->hinted = true;
}

/* The interval, up to a tenth shorter, so that groups and replicas drift apart. */
static int64_t jittered(int64_t ns, uint64_t random)
{
    const uint64_t span = (uint64_t)ns / JITTER_PART + 1;
    return ns - (int64_t)(random % span);
}

void loop_group_seen_round(struct loop_group *g, int64_t now_ns, int64_t age_ns, uint64_t random)
{
    if (g->failures == 0)
        g->due_ns = later(g->due_ns, now_ns - age_ns + jittered(g->times.interval_ns, random));
}

void loop_group_begin(struct loop_group *g, int64_t now_ns)
{
    g->running = true;
    g->was_hinted = g->hinted;
    g->hinted = false;
    g->begun_ns = now_ns;
}

int64_t loop_backoff_ns(const struct loop_times *t, unsigned failures, uint64_t random)
{
    int64_t ns = t->hint_ns;
    for (unsigned i = 1; i < failures && ns < t->backoff_ns; i++)
        ns = ns > INT64_MAX / 2 ? INT64_MAX : ns * 2;
    if (ns > t->backoff_ns)
        ns = t->backoff_ns;
    return ns - (int64_t)(random % ((uint64_t)ns / 2 + 1));
}

void loop_group_end(struct loop_group *g, enum loop_end end, int64_t now_ns, uint64_t random)
{
    const int64_t took_ns = now_ns - g->begun_ns;
    g->running = false;
    switch (end) {
    case LOOP_END_DONE:
        g->failures = 0;
        g->is_slow = took_ns > g->times.hint_ns;
        g->due_ns = g->begun_ns + jittered(g->times.interval_ns, random);
        break;
    case LOOP_END_BUSY: /* as good as a round of ours, but it may have begun before the hint */
        g->hinted |= g->was_hinted;
        g->due_ns = g->begun_ns + jittered(g->times.interval_ns, random);
        break;
    case LOOP_END_FAILED:
        g->failures += g->failures < UINT32_MAX;
        g->is_slow = took_ns > g->times.hint_ns;
        g->due_ns = now_ns + loop_backoff_ns(&g->times, g->failures, random);
        break;
    case LOOP_END_STOPPED:
        g->hinted |= g->was_hinted;
        g->due_ns = now_ns + g->times.hint_ns;
        break;
    }
}
