/* hub_reader.c - the thread that asks PostgreSQL: what is new, what the ring lacks, and the history
 * of subscribers that are behind. The lock is never held while it waits for an answer. */
#include <string.h>

#include "server/clock.h"
#include "server/hub_internal.h"
#include "server/log.h"
#include "server/metrics.h"

enum {
    QUERY_MS = 10000,     /* longest wait for one answer */
    RETRY_MS = 500,       /* after a failure */
    FILL_EVENTS = 512,    /* read at a time for the ring */
    PAGE_EVENTS = 512,    /* and for a subscriber; few of them may pass its filter */
    PAGE_FRESH_MS = 1000, /* a page serves all who want it so long */
};

/* --- queries, without the lock -----------------------------------------------------------------
 */

/* *ret_clock_us: the database's clock less ours. */
static int read_bounds(struct hub *h, struct arena *a, struct event_bounds **ret, uint32_t *ret_n,
                       int64_t *ret_clock_us, struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pg_deadline(h->pg, clock_ns() + QUERY_MS * NS_PER_MS);
    if (txn_begin(h->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        event_bounds_list(t, NULL, 0, a, ret, ret_n, e) < 0)
        return -1;
    int64_t before_ns = clock_ns();
    if (event_clock(t, ret_clock_us, e) < 0)
        return -1;
    *ret_clock_us -= (before_ns + clock_ns()) / 2 / 1000;
    return txn_commit(&t, e);
}

static int read_events(struct hub *h, const char *group, int64_t after, uint32_t max,
                       struct arena *a, struct event **ret, uint32_t *ret_n, struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pg_deadline(h->pg, clock_ns() + QUERY_MS * NS_PER_MS);
    if (txn_begin(h->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        event_list(t, group, after, max, a, ret, ret_n, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

/* --- the reader's steps: enter and leave with the lock ------------------------------------------
 */

/* The database is away or busy: the question is worth asking again. */
static bool is_outage(const struct err *e)
{
    return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_CONFLICT ||
           e->code == ERR_EXHAUSTED || e->code == ERR_PRECONDITION;
}

/* An outage is said once, then the thread pauses before it asks again. */
static void note_outcome(struct hub *h, int rc, const struct err *e)
{
    bool away = rc < 0 && is_outage(e);
    if (rc < 0 && !h->stop && (!away || !h->database_away))
        log_err(LOG_WARN, "the event log cannot be read; subscribers wait", e,
                LOG_FIELDS(LOG_NUM("subscribers", h->n_subscribers)));
    else if (rc == 0 && h->database_away)
        log_info("the event log can be read again", LOG_NUM("subscribers", h->n_subscribers));
    h->database_away = away;
    int64_t until = clock_ns() + RETRY_MS * NS_PER_MS;
    while (rc < 0 && !h->stop && clock_ns() < until)
        clock_cond_wait(&h->reader_cond, &h->lock, until);
}

/* What the poll found and no hint had told. */
static void count_untold(const struct hub *h, const struct event_bounds *bounds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = hub_group_find(h, bounds[i].scaling_group);
        const struct hub_group *g = index != NONE ? &h->groups[index] : NULL;
        int64_t known = g == NULL ? 0 : g->last > g->hint ? g->last : g->hint;
        if (bounds[i].last > known)
            metric_add(METRIC_event_untold_total, 0, bounds[i].last - known);
    }
}

static void poll_bounds(struct hub *h, struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    struct event_bounds *bounds = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->n_groups; i++)
        h->groups[i].asked = h->groups[i].head;
    pthread_mutex_unlock(&h->lock);
    int64_t clock_us = 0;
    int rc = read_bounds(h, a, &bounds, &n, &clock_us, &e);
    hub_lock(h);
    if (rc == 0) {
        h->clock_us = clock_us;
        count_untold(h, bounds, n);
        hub_find_restarts(h, bounds, n);
        hub_learn(h, bounds, n);
    }
    h->polled_ns = clock_ns();
    h->next_poll_ns = h->polled_ns + h->options.poll_ms * NS_PER_MS;
    note_outcome(h, rc, &e);
}

/* After n events were read for the ring: what is to become of the hint that asked for them. */
static void settle_hint(struct hub_group *g, int64_t hint, int rc, uint32_t n)
{
    if (hint <= g->head)
        return;
    if ((rc < 0 || n == FILL_EVENTS) && g->hint < hint)
        g->hint = hint; /* there is more to read */
    else if (rc == 0 && n == 0)
        g->rest_ns = clock_ns() + HINT_REST_MS * NS_PER_MS; /* it was not true */
}

/* Brings the ring to what the database has of a group; far behind, it skips. */
static void fill_group(struct hub *h, uint32_t group, struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    struct event *events = NULL;
    uint32_t n = 0;
    int64_t after = h->groups[group].head, hint = h->groups[group].hint;
    h->groups[group].hint = 0; /* what is said from now on may be newer than what we read */
    h->filled = group;
    if (h->groups[group].last - after > h->ring.cap / 2) {
        hub_group_skip(h, group, h->groups[group].last);
        return;
    }
    const char *name = arena_strdup(a, h->groups[group].name);
    pthread_mutex_unlock(&h->lock);
    int rc = read_events(h, name, after, FILL_EVENTS, a, &events, &n, &e);
    uint8_t **frames = arena_new(a, uint8_t *, n);
    size_t *lengths = arena_new(a, size_t, n);
    for (uint32_t i = 0; i < n; i++)
        frames[i] = hub_frame(&events[i], a, &lengths[i]);
    hub_lock(h);
    if (rc == 0 ? n == 0 : !is_outage(&e)) /* removed by retention, or it cannot be read */
        hub_group_skip(h, group, h->groups[group].last);
    for (uint32_t i = 0; i < n; i++) {
        if (events[i].sequence > h->groups[group].head + 1 && i == 0)
            hub_group_skip(h, group, events[i].sequence - 1);
        hub_accept(h, hub_entry_make(group, &events[i], frames[i], lengths[i]));
    }
    settle_hint(&h->groups[group], hint, rc, n);
    metric_add(METRIC_event_fills_total, 0, 1);
    pthread_cond_signal(&h->work_cond);
    note_outcome(h, rc, &e);
}

/* Retention has removed what the subscriber needs next. */
static void end_expired(struct subscriber *s, uint32_t group, int64_t after, int64_t oldest)
{
    struct err e = {.code = ERR_NONE};
    const char *name = s->hub->groups[group].name;
    err_set(&e, ERR_OUT_OF_RANGE, "CURSOR_EXPIRED",
            "events after %lld of scaling group \"%s\" are no longer kept", (long long)after, name);
    err_meta(&e, "scaling_group", "%s", name);
    err_meta(&e, "oldest_sequence", "%lld", (long long)oldest);
    *subscriber_at(s, group) = oldest - 1;
    arena_reset(s->hub->scratch);
    subscriber_end(s, &e, subscriber_cursor_after_gap(s));
}

struct page {
    struct event *events;
    uint32_t n;
    uint8_t *frames; /* of those that pass the filter, one after the other */
    size_t n_frames;
    unsigned n_events; /* in them */
    int64_t last;      /* last sequence that the page covers */
    bool hole;         /* the next event is not last + 1 */
};

/* As many events as one message holds. Without the lock. */
static void page_pack(struct page *p, const struct hub_filter *f, int64_t after, struct arena *a)
{
    size_t cap = 0;
    p->last = after;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct event *ev = &p->events[i];
        p->hole = ev->sequence != p->last + 1;
        if (p->hole)
            return;
        if (hub_filter_passes(f, ev->type, ev->has_session ? &ev->session_id : NULL)) {
            size_t len;
            const uint8_t *frame = hub_frame(ev, a, &len);
            if (p->n_frames > 0 && p->n_frames + len > BATCH_BYTES)
                return;
            p->frames = arena_grow(a, p->frames, &cap, p->n_frames + len, 1);
            memcpy(p->frames + p->n_frames, frame, len);
            p->n_frames += len;
            p->n_events++;
        }
        p->last = ev->sequence;
    }
}

static void page_deliver(struct subscriber *s, uint32_t group, int64_t after, const struct page *p)
{
    struct hub *h = s->hub;
    if (p->n == 0 || (p->hole && p->last == after)) {
        end_expired(s, group, after, p->n > 0 ? p->events[0].sequence : h->groups[group].last + 1);
        return;
    }
    *subscriber_at(s, group) = p->last;
    arena_reset(h->scratch);
    subscriber_send(s, p->frames, p->n_frames, p->n_events);
}

/* What the page read last has of it; false: nothing. A log only grows, so what it has is true. */
static bool page_recall(const struct hub *h, uint32_t group, int64_t after, struct page *ret)
{
    const struct hub_history *p = &h->history;
    if (p->n == 0 || p->group != group || p->restarts != h->restarts ||
        clock_ns() - p->read_ns > PAGE_FRESH_MS * NS_PER_MS || after + 1 < p->events[0].sequence ||
        after >= p->events[p->n - 1].sequence)
        return false;
    uint32_t skip = (uint32_t)(after + 1 - p->events[0].sequence);
    if (skip >= p->n || p->events[skip].sequence != after + 1)
        return false;
    ret->events = p->events + skip;
    ret->n = p->n - skip;
    return true;
}

/* Enters and leaves with the lock. */
static int page_read(struct hub *h, uint32_t group, int64_t after, struct page *ret,
                     struct arena *a, struct err *e)
{
    struct hub_history *p = &h->history;
    const char *name = arena_strdup(a, h->groups[group].name);
    arena_reset(p->arena);
    *p = (struct hub_history){.arena = p->arena, .group = group, .restarts = h->restarts};
    pthread_mutex_unlock(&h->lock);
    int rc = read_events(h, name, after, PAGE_EVENTS, p->arena, &p->events, &p->n, e);
    hub_lock(h);
    p->read_ns = clock_ns();
    ret->events = p->events;
    ret->n = p->n;
    return rc;
}

/* One page of history for one subscriber. */
static void read_page(struct subscriber *s, struct arena *a)
{
    struct hub *h = s->hub;
    struct err e = {.code = ERR_NONE};
    struct page page = {.n = 0};
    int rc = 0;
    uint32_t group = s->state == SUBSCRIBER_BEHIND && !s->full && s->held == NULL
                         ? subscriber_behind_in(s)
                         : NONE;
    if (group != NONE) {
        int64_t after = *subscriber_at(s, group);
        if (!page_recall(h, group, after, &page))
            rc = page_read(h, group, after, &page, a, &e);
        pthread_mutex_unlock(&h->lock);
        if (rc == 0)
            page_pack(&page, s->filter, after, a); /* a filter does not change */
        hub_lock(h);
        if (rc == 0 && s->state == SUBSCRIBER_BEHIND)
            page_deliver(s, group, after, &page);
        else if (rc < 0 && !is_outage(&e))
            subscriber_end(s, &e, NULL);
    }
    if (s->state == SUBSCRIBER_BEHIND && !s->full) {
        if (subscriber_behind_in(s) == NONE)
            subscriber_go_live(s);
        else
            subscriber_queue_behind(s);
    }
    note_outcome(h, rc, &e);
}

/* A group whose ring lacks something by now, each in its turn; NONE: there is none. */
static uint32_t due_group(const struct hub *h, int64_t *ret_ns)
{
    int64_t now = clock_ns();
    for (uint32_t i = 1; i <= h->n_groups; i++) {
        uint32_t group = (h->filled + i) % h->n_groups;
        if (hub_group_due(h, &h->groups[group], now, ret_ns))
            return group;
    }
    return NONE;
}

/* One page for one of those that are behind; false: nobody is. */
static bool serve_behind(struct hub *h, struct arena *a)
{
    struct subscriber *s = hub_next_behind(h);
    if (s == NULL)
        return false;
    arena_reset(a);
    read_page(s, a);
    subscriber_unref(s);
    return true;
}

void *hub_read(void *hub)
{
    struct hub *h = hub;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        int64_t until = h->next_poll_ns;
        uint32_t group;
        arena_reset(a);
        if (h->n_subscribers == 0) {
            pthread_cond_wait(&h->reader_cond, &h->lock);
        } else if (h->next_poll_ns <= clock_ns()) {
            poll_bounds(h, a);
        } else if ((group = due_group(h, &until)) != NONE) {
            fill_group(h, group, a);
            (void)serve_behind(h, a); /* however much comes in, history goes on */
        } else if (!serve_behind(h, a)) {
            clock_cond_wait(&h->reader_cond, &h->lock, until);
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}
