/* loop_group.c - intervals, wishes and pauses of one group. */
#include "server/loop_group.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/err.h"

enum {
    JITTER_PART = 10,     /* intervals are shortened by up to a tenth */
    FAILURES_TO_TELL = 3, /* in a row */
    NS_PER_US = 1000
};

struct loop_group *loop_group_create(const char *name, const struct loop_times *t, int64_t due_ns)
{
    struct loop_group *g = calloc(1, sizeof(*g));
    if (g == NULL || (g->name = strdup(name)) == NULL)
        abort(); /* out of memory */
    g->times = *t;
    g->due_ns = due_ns;
    g->round_start = INT64_MIN;
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

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t loop_group_next(const struct loop_group *g)
{
    if (g->running)
        return INT64_MAX;
    if (g->failures > 0)
        return g->due_ns;
    const int64_t soonest = g->begun_ns == 0 ? 0 : g->begun_ns + g->times.hint_ns;
    int64_t next = g->due_ns;
    if (g->wish.hinted)
        next = earlier(next, soonest);
    if (g->wish.changed)
        next = earlier(next, later(soonest, g->wish.from_ns));
    return next;
}

void loop_group_hint(struct loop_group *g)
{
    g->wish.hinted = true;
}

void loop_group_change(struct loop_group *g, int64_t look_us, int64_t from_ns)
{
    if (!g->wish.changed)
        g->wish.from_ns = from_ns;
    g->wish.changed = true;
    g->wish.changed_us = look_us;
}

void loop_group_see_round(struct loop_group *g, int64_t start_us, int64_t look_us, int64_t now_ns)
{
    const int64_t age_ns = (look_us - start_us) * NS_PER_US;
    g->round_start = start_us;
    if (g->failures == 0)
        g->due_ns = later(g->due_ns, now_ns - age_ns + g->times.interval_ns - g->early_ns);
    if (g->wish.changed && start_us > g->wish.changed_us)
        g->wish.changed = false;
}

void loop_group_forgive(struct loop_group *g, int64_t now_ns)
{
    if (g->failures > 0)
        g->due_ns = now_ns;
    g->failures = 0;
}

void loop_group_begin(struct loop_group *g, int64_t now_ns)
{
    g->running = true;
    g->answered = g->wish;
    g->wish = (struct loop_wish){.hinted = false};
    g->begun_ns = now_ns;
}

void loop_group_note_failure(struct loop_group *g, const struct err *why, int64_t look_us)
{
    if (g->failures == 0)
        g->failing_us = look_us;
    g->failures += g->failures < UINT_MAX;
    err_copy(g->why, sizeof(g->why), why->message);
    g->by_policy = why->code == ERR_PRECONDITION;
}

void loop_group_note_success(struct loop_group *g, int64_t epoch)
{
    g->failures = 0;
    g->own_epoch = epoch;
}

bool loop_group_is_failing(const struct loop_group *g)
{
    return g->failures >= FAILURES_TO_TELL && g->round_start <= g->failing_us;
}

int64_t loop_backoff_ns(const struct loop_times *t, unsigned failures, uint64_t random)
{
    int64_t ns = t->hint_ns;
    for (unsigned i = 1; i < failures && ns < t->backoff_ns; i++)
        ns = ns > INT64_MAX / 2 ? INT64_MAX : ns * 2;
    ns = earlier(ns, t->backoff_ns);
    return ns - (int64_t)(random % ((uint64_t)ns / 2 + 1));
}

/* What was wished for was not done. */
static void wish_again(struct loop_group *g)
{
    g->wish.hinted |= g->answered.hinted;
    if (g->answered.changed && !g->wish.changed) {
        g->wish.changed = true;
        g->wish.changed_us = g->answered.changed_us;
        g->wish.from_ns = 0;
    }
}

void loop_group_end(struct loop_group *g, enum loop_end end, int64_t now_ns, uint64_t random)
{
    const int64_t took_ns = now_ns - g->begun_ns;
    g->running = false;
    g->early_ns = (int64_t)(random % ((uint64_t)g->times.interval_ns / JITTER_PART + 1));
    switch (end) {
    case LOOP_END_DONE:
        g->is_slow = took_ns > g->times.hint_ns;
        g->due_ns = g->begun_ns + g->times.interval_ns - g->early_ns;
        break;
    case LOOP_END_BUSY: /* as good as a round of ours, but it may have begun before the wish */
        wish_again(g);
        g->due_ns = g->begun_ns + g->times.interval_ns - g->early_ns;
        break;
    case LOOP_END_FAILED:
        g->is_slow = took_ns > g->times.hint_ns;
        g->due_ns = now_ns + loop_backoff_ns(&g->times, g->failures, random);
        break;
    case LOOP_END_STOPPED:
        wish_again(g);
        g->due_ns = now_ns + g->times.hint_ns;
        break;
    }
}
