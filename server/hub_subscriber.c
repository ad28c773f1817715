/* hub_subscriber.c - deliveries: from the ring to the streams, and heartbeats. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/hub_internal.h"
#include "server/metrics.h"

enum { BEAT_GRAIN_MS = 50 }; /* heartbeats that are due within it go out together */

int64_t *subscriber_at(struct subscriber *s, uint32_t group)
{
    struct hub *h = s->hub;
    if (group >= s->n_at) {
        s->at = realloc(s->at, h->n_groups * sizeof(*s->at));
        if (s->at == NULL)
            abort(); /* out of memory */
        for (uint32_t i = s->n_at; i < h->n_groups; i++)
            s->at[i] = hub_filter_has_group(s->filter, h->groups[i].name) ? 0 : -1;
        s->n_at = h->n_groups;
    }
    return &s->at[group];
}

void subscriber_unref(struct subscriber *s)
{
    if (--s->refs > 0)
        return;
    hub_filter_put(s->hub, s->filter);
    packet_unref(s->held);
    free(s->held_cursor);
    free(s->at);
    free(s);
}

void subscriber_queue_work(struct subscriber *s)
{
    struct subscriber_queue *q = &s->hub->work;
    if (s->in_work || s->state == SUBSCRIBER_ENDED)
        return;
    s->in_work = true;
    s->refs++;
    s->next_work = NULL;
    if (q->last != NULL)
        q->last->next_work = s;
    else
        q->first = s;
    q->last = s;
    pthread_cond_signal(&s->hub->work_cond);
}

static struct subscriber *next_work(struct hub *h)
{
    struct subscriber *s = h->work.first;
    if (s == NULL)
        return NULL;
    h->work.first = s->next_work;
    if (h->work.first == NULL)
        h->work.last = NULL;
    s->in_work = false;
    return s;
}

void subscriber_queue_behind(struct subscriber *s)
{
    struct subscriber_queue *q = &s->hub->behind;
    if (s->in_behind || s->state != SUBSCRIBER_BEHIND)
        return;
    s->in_behind = true;
    s->refs++;
    s->next_behind = NULL;
    if (q->last != NULL)
        q->last->next_behind = s;
    else
        q->first = s;
    q->last = s;
    pthread_cond_signal(&s->hub->reader_cond);
}

struct subscriber *hub_next_behind(struct hub *h)
{
    struct subscriber *s = h->behind.first;
    if (s == NULL)
        return NULL;
    h->behind.first = s->next_behind;
    if (h->behind.first == NULL)
        h->behind.last = NULL;
    s->in_behind = false;
    return s;
}

void hub_queues_clear(struct hub *h)
{
    struct subscriber *s;
    while ((s = next_work(h)) != NULL)
        subscriber_unref(s);
    while ((s = hub_next_behind(h)) != NULL)
        subscriber_unref(s);
}

/* --- live --------------------------------------------------------------------------------------
 */

struct batch {
    const struct hub_entry *entries[BATCH_EVENTS];
    unsigned n;
    size_t bytes;
    uint64_t from, to; /* entries of the ring looked at */
    bool whole;        /* none of them was skipped as seen before */
    bool gap;          /* a sequence is missing at `to` */
};

/* Moves the subscriber over the ring until the batch is full, the ring ends or a gap comes. */
static void batch_collect(struct batch *b, struct subscriber *s)
{
    const struct hub_ring *r = &s->hub->ring;
    if (s->position < r->tail) { /* the ring was faster */
        s->position = r->tail;
        s->verify = true;
    }
    b->from = b->to = s->position;
    for (; b->to < r->head; b->to++) {
        const struct hub_entry *e = hub_ring_at(r, b->to);
        int64_t *at = subscriber_at(s, e->group);
        if (*at < 0)
            continue;
        if (e->sequence <= *at) {
            b->whole = false;
            continue;
        }
        b->gap = e->sequence > *at + 1;
        if (b->gap)
            break;
        if (hub_filter_passes(s->filter, e->type, e->has_session ? &e->session : NULL)) {
            if (b->n == BATCH_EVENTS || (b->n > 0 && b->bytes + e->n_frame > BATCH_BYTES))
                break;
            b->entries[b->n++] = e;
            b->bytes += e->n_frame;
        }
        *at = e->sequence;
    }
    s->position = b->to;
}

/* The events as bytes; subscribers with one filter that make the same step share them. */
static struct packet *batch_body(const struct batch *b, struct subscriber *s)
{
    struct hub_filter *f = s->filter;
    if (b->whole && f->body != NULL && f->body_from == b->from && f->body_to == b->to)
        return packet_ref(f->body);
    uint8_t *bytes = arena_alloc(s->hub->scratch, b->bytes, 1);
    size_t n = 0;
    for (unsigned i = 0; i < b->n; i++) {
        memcpy(bytes + n, b->entries[i]->frame, b->entries[i]->n_frame);
        n += b->entries[i]->n_frame;
    }
    struct packet *body = packet_copy(bytes, n);
    if (b->whole) {
        packet_unref(f->body);
        f->body = packet_ref(body);
        f->body_from = b->from;
        f->body_to = b->to;
    }
    return body;
}

uint32_t subscriber_behind_in(struct subscriber *s)
{
    const struct hub *h = s->hub;
    for (uint32_t i = 0; i < h->n_groups; i++) {
        int64_t at = *subscriber_at(s, h->by_name[i]);
        if (at >= 0 && at < h->groups[h->by_name[i]].head)
            return h->by_name[i];
    }
    return NONE;
}

static void step_live(struct subscriber *s)
{
    struct hub *h = s->hub;
    struct batch b = {.whole = true};
    batch_collect(&b, s);
    if (b.n > 0) {
        CLEANUP(packet_unrefp) struct packet *body = batch_body(&b, s);
        int64_t committed_us = b.entries[0]->time - h->clock_us;
        subscriber_send_body(s, body, b.n);
        if (h->clock_us != 0 && !s->full && !s->verify)
            metric_observe(METRIC_event_lag_seconds, 0, clock_ns() - committed_us * 1000);
    }
    if (s->state == SUBSCRIBER_ENDED)
        return;
    if (!b.gap && s->verify && b.to == h->ring.head) {
        b.gap = subscriber_behind_in(s) != NONE;
        s->verify = b.gap;
    }
    if (b.gap)
        s->state = SUBSCRIBER_BEHIND;
    if (b.gap || b.to < h->ring.head)
        subscriber_queue_work(s);
}

void subscriber_go_live(struct subscriber *s)
{
    s->state = SUBSCRIBER_LIVE;
    s->position = s->hub->ring.tail;
    s->verify = true;
    subscriber_queue_work(s);
}

static void step(struct subscriber *s)
{
    arena_reset(s->hub->scratch);
    if (s->state == SUBSCRIBER_ENDED || s->full)
        return;
    if (s->held != NULL)
        subscriber_send_held(s);
    else if (!s->greeted)
        subscriber_push(s, NULL, 0, subscriber_cursor(s));
    if (s->full)
        return;
    if (s->state == SUBSCRIBER_BEHIND)
        subscriber_queue_behind(s);
    else if (s->state == SUBSCRIBER_LIVE)
        step_live(s);
}

/* --- the dispatcher ----------------------------------------------------------------------------
 */

static void end_slow(struct subscriber *s)
{
    struct err e = {.code = ERR_NONE};
    err_set(&e, ERR_EXHAUSTED, "SLOW_READER",
            "the reader took no message for %d ms; watch again from the cursor",
            s->hub->options.slow_after_ms);
    s->hub->n_slow++;
    metric_add(METRIC_stream_slow_total, 0, 1);
    subscriber_end(s, &e, NULL);
}

/* Heartbeats that are due, and an end to streams that are stuck. */
static void beat(struct hub *h, int64_t now)
{
    int64_t slow_ns = h->options.slow_after_ms * NS_PER_MS;
    h->next_beat_ns = now + NS_PER_S;
    for (struct subscriber *s = h->subscribers; s != NULL; s = s->next) {
        int64_t due = s->full ? s->full_ns + slow_ns : s->beat_ns;
        if (s->state == SUBSCRIBER_ENDED || !s->greeted || (s->held != NULL && !s->full))
            continue; /* what is held goes first: the cursor is beyond it */
        if (due <= now) {
            arena_reset(h->scratch);
            if (s->full)
                end_slow(s);
            else
                subscriber_push(s, NULL, 0, subscriber_cursor(s));
            due = s->full ? s->full_ns + slow_ns : s->beat_ns;
        }
        if (h->next_beat_ns > due)
            h->next_beat_ns = due;
    }
    if (h->next_beat_ns < now + BEAT_GRAIN_MS * NS_PER_MS)
        h->next_beat_ns = now + BEAT_GRAIN_MS * NS_PER_MS;
}

/* New events: all that are live have work. */
static void wake_live(struct hub *h)
{
    h->dispatched = h->ring.head;
    for (struct subscriber *s = h->subscribers; s != NULL; s = s->next)
        if (s->state == SUBSCRIBER_LIVE && !s->full)
            subscriber_queue_work(s);
}

/* Lets those in who wait for the lock. */
static void make_way(struct hub *h)
{
    if (atomic_load(&h->waiting) == 0)
        return;
    pthread_mutex_unlock(&h->lock);
    while (atomic_load(&h->waiting) > 0)
        sched_yield();
    pthread_mutex_lock(&h->lock);
}

void *hub_dispatch(void *hub)
{
    struct hub *h = hub;
    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        struct subscriber *s;
        if (h->dispatched != h->ring.head)
            wake_live(h);
        if (h->n_subscribers > 0 && h->next_beat_ns <= clock_ns())
            beat(h, clock_ns());
        if ((s = next_work(h)) != NULL) {
            step(s);
            subscriber_unref(s);
            make_way(h);
        } else if (h->n_subscribers > 0) {
            clock_cond_wait(&h->work_cond, &h->lock, h->next_beat_ns);
        } else {
            pthread_cond_wait(&h->work_cond, &h->lock);
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}
