/* hub_fanout.c - the thread that tells the other replicas what was committed here, and hears what
 * they tell. Redis is only the messenger: what is heard makes the reader look, nothing more. */
#include "server/clock.h"
#include "server/hub_internal.h"
#include "server/log.h"
#include "server/metrics.h"

void hub_tell(struct hub *h, uint32_t group, int64_t sequence)
{
    struct hub_group *g = &h->groups[group];
    if (g->tell < sequence)
        g->tell = sequence; /* one hint speaks for all before it: nothing piles up */
    h->tells = true;
}

/* The database is asked about all groups, but not more often than every HINT_REST_MS for hints
 * that name what nobody knows. */
static void poll_soon(struct hub *h, int64_t rest_ms)
{
    int64_t at = h->polled_ns + rest_ms * NS_PER_MS;
    if (h->next_poll_ns > at)
        h->next_poll_ns = at;
    pthread_cond_signal(&h->reader_cond);
}

void hub_hint(struct hub *h, const char *group, int64_t sequence)
{
    uint32_t index = hub_group_find(h, group);
    if (index == NONE) {
        poll_soon(h, HINT_REST_MS); /* a new group, or no group at all */
        return;
    }
    struct hub_group *g = &h->groups[index];
    if (sequence <= g->head || sequence <= g->hint)
        return;
    g->hint = sequence;
    pthread_cond_signal(&h->reader_cond);
}

static void say_all(struct hub *h)
{
    if (!h->tells)
        return;
    h->tells = false;
    for (uint32_t i = 0; i < h->n_groups; i++) {
        struct hub_group *g = &h->groups[i];
        if (g->tell > 0 && !fanout_say(h->fanout, g->name, g->tell))
            metric_add(METRIC_event_hints_dropped_total, 0, 1);
        g->tell = 0;
    }
}

static void take(struct hub *h, enum fanout_news news, const struct fanout_hint *hint,
                 const struct err *e)
{
    switch (news) {
    case FANOUT_HINT:
        metric_add(METRIC_event_hints_total, 0, 1);
        hub_hint(h, hint->group, hint->sequence);
        break;
    case FANOUT_GARBAGE:
        metric_add(METRIC_event_hints_garbage_total, 0, 1);
        break;
    case FANOUT_UP:
        log_info("hints of other replicas are heard", LOG_STR("channel", h->options.channel));
        poll_soon(h, 0); /* what was told until now has been missed */
        break;
    case FANOUT_DOWN:
        log_err(LOG_WARN,
                "hints of other replicas cannot be heard; the poll finds what they commit", e,
                LOG_FIELDS(LOG_NUM("poll_ms", h->options.poll_ms)));
        break;
    case FANOUT_WOKEN:
        break;
    }
}

void *hub_listen(void *hub)
{
    struct hub *h = hub;
    struct fanout_hint hint;
    bool stop = false;
    while (!stop) {
        struct err e = {.code = ERR_NONE};
        enum fanout_news news = fanout_wait(h->fanout, &hint, &e);
        hub_lock(h);
        take(h, news, &hint, &e);
        say_all(h);
        stop = h->stop;
        hub_unlock(h);
    }
    return NULL;
}
