/* hub.c - the hub's life, and its two doors: publish and subscribe. */
#include "server/hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/hub_internal.h"

enum { PUBLISH_EVENTS = 256 }; /* packed and taken in at a time */

void hub_lock(struct hub *h)
{
    atomic_fetch_add(&h->waiting, 1);
    pthread_mutex_lock(&h->lock);
    atomic_fetch_sub(&h->waiting, 1);
}

void hub_unlock(struct hub *h)
{
    pthread_mutex_unlock(&h->lock);
}

static struct hub_options with_defaults(const struct hub_options *o)
{
    return (struct hub_options){
        .ring_events = o->ring_events > 0 ? o->ring_events : 65536,
        .ring_bytes = o->ring_bytes > 0 ? o->ring_bytes : (size_t)64 << 20,
        .channel = o->channel,
        .redis_timeout_ms = o->redis_timeout_ms > 0 ? o->redis_timeout_ms : 1000,
        .poll_ms = o->poll_ms > 0 ? o->poll_ms : 1000,
        .reorder_ms = o->reorder_ms > 0 ? o->reorder_ms : 20,
        .slow_after_ms = o->slow_after_ms > 0 ? o->slow_after_ms : 10000,
    };
}

static int start_thread(pthread_t *ret, bool *ret_started, void *(*run)(void *), struct hub *h,
                        struct err *e)
{
    int error = pthread_create(ret, NULL, run, h);
    if (error != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start a thread of the event hub");
        return err_detail(e, "pthread_create: %s", strerrordesc_np(error));
    }
    *ret_started = true;
    return 0;
}

int hub_create(const struct hub_options *o, struct hub **ret, struct err *e)
{
    struct hub *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    h->options = with_defaults(o);
    pthread_mutex_init(&h->lock, NULL);
    clock_cond_init(&h->work_cond);
    clock_cond_init(&h->reader_cond);
    h->scratch = arena_create();
    h->history.arena = arena_create();
    hub_log_init(h);
    if (pg_create(o->database, &h->pg, e) < 0 ||
        (o->redis != NULL &&
         fanout_create(o->redis, o->channel, h->options.redis_timeout_ms, &h->fanout, e) < 0) ||
        start_thread(&h->dispatcher, &h->has_dispatcher, hub_dispatch, h, e) < 0 ||
        start_thread(&h->reader, &h->has_reader, hub_read, h, e) < 0 ||
        (h->fanout != NULL && start_thread(&h->listener, &h->has_listener, hub_listen, h, e) < 0)) {
        hub_destroy(h);
        return -1;
    }
    *ret = h;
    return 0;
}

void hub_tune(struct hub *h, int poll_ms, int slow_after_ms)
{
    hub_lock(h);
    h->options.poll_ms = poll_ms;
    h->options.slow_after_ms = slow_after_ms;
    pthread_mutex_unlock(&h->lock);
}

void hub_destroy(struct hub *h)
{
    if (h == NULL)
        return;
    hub_lock(h);
    assert(h->n_subscribers == 0);
    h->stop = true;
    pthread_cond_broadcast(&h->work_cond);
    pthread_cond_broadcast(&h->reader_cond);
    hub_unlock(h);
    if (h->has_listener) {
        fanout_wake(h->fanout);
        pthread_join(h->listener, NULL);
    }
    if (h->has_reader) {
        pg_cancel(h->pg);
        pthread_join(h->reader, NULL);
    }
    if (h->has_dispatcher)
        pthread_join(h->dispatcher, NULL);
    hub_queues_clear(h);
    hub_log_finish(h);
    pg_close(h->pg);
    fanout_destroy(h->fanout);
    arena_destroy(h->scratch);
    arena_destroy(h->history.arena);
    pthread_cond_destroy(&h->work_cond);
    pthread_cond_destroy(&h->reader_cond);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

struct hub_entry hub_entry_make(uint32_t group, const struct event *ev, const uint8_t *frame,
                                size_t n)
{
    uint8_t *copy = malloc(n);
    if (copy == NULL)
        abort(); /* out of memory */
    memcpy(copy, frame, n);
    return (struct hub_entry){
        .group = group,
        .sequence = ev->sequence,
        .type = ev->type,
        .has_session = ev->has_session,
        .session = ev->session_id,
        .time = ev->time,
        .frame = copy,
        .n_frame = n,
    };
}

/* With nobody there, only the numbers are kept: who comes later reads the events themselves. */
static bool nobody_watches(struct hub *h, const struct event *events, uint32_t n)
{
    hub_lock(h);
    bool nobody = h->n_subscribers == 0;
    for (uint32_t i = 0; nobody && i < n; i++)
        hub_group_skip(h, hub_group_index(h, events[i].scaling_group, 0), events[i].sequence);
    hub_unlock(h);
    return nobody;
}

/* Before anything else: the other replicas read them while this one packs them. */
static void tell_others(struct hub *h, const struct event *events, uint32_t n)
{
    if (h->fanout == NULL || n == 0)
        return;
    hub_lock(h);
    for (uint32_t i = 0, first = 0; i < n; i++) {
        const struct event *ev = &events[i];
        if (i + 1 < n && strcmp(ev->scaling_group, events[i + 1].scaling_group) == 0)
            continue; /* the last one of a group speaks for those before */
        hub_tell(h, hub_group_index(h, ev->scaling_group, events[first].sequence - 1),
                 ev->sequence);
        first = i + 1;
    }
    hub_unlock(h);
    fanout_wake(h->fanout);
}

void hub_publish(struct hub *h, const struct event *events, uint32_t n)
{
    tell_others(h, events, n);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (uint32_t from = 0; from < n; from += PUBLISH_EVENTS) {
        uint32_t to = n - from < PUBLISH_EVENTS ? n : from + PUBLISH_EVENTS;
        const uint8_t *frames[PUBLISH_EVENTS];
        size_t lengths[PUBLISH_EVENTS];
        if (nobody_watches(h, events + from, to - from))
            continue;
        arena_reset(a);
        for (uint32_t i = from; i < to; i++)
            frames[i - from] = hub_frame(&events[i], a, &lengths[i - from]);
        hub_lock(h);
        for (uint32_t i = from; i < to; i++) {
            uint32_t group = hub_group_index(h, events[i].scaling_group, events[i].sequence - 1);
            hub_accept(h, hub_entry_make(group, &events[i], frames[i - from], lengths[i - from]));
        }
        pthread_cond_signal(&h->work_cond);
        hub_unlock(h);
    }
}

/* --- subscribe ---------------------------------------------------------------------------------
 */

static void on_ready(struct stream *stream, void *ctx)
{
    struct subscriber *s = ctx;
    struct hub *h = s->hub;
    (void)stream;
    hub_lock(h);
    s->full = false;
    subscriber_queue_work(s);
    hub_unlock(h);
}

static void on_closed(struct stream *stream, void *ctx)
{
    struct subscriber *s = ctx;
    struct hub *h = s->hub;
    (void)stream;
    hub_lock(h);
    s->state = SUBSCRIBER_ENDED;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        h->subscribers = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    h->n_subscribers--;
    subscriber_unref(s);
    hub_unlock(h);
}

static const struct stream_ops subscriber_ops = {.ready = on_ready, .closed = on_closed};

static struct subscriber *subscriber_create(struct hub *h, const struct hub_subscription *q,
                                            struct stream *stream)
{
    struct subscriber *s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort(); /* out of memory */
    *s = (struct subscriber){
        .hub = h,
        .stream = stream,
        .filter = hub_filter_get(h, q),
        .refs = 1,
        .interval_ns = q->heartbeat_ns,
        .after_gap = q->after_gap,
    };
    for (uint32_t i = 0; i < h->n_groups; i++) {
        int64_t start = cursor_find(q->start, q->n_start, h->groups[i].name);
        int64_t *at = subscriber_at(s, i);
        if (*at >= 0 && start > 0)
            *at = start;
    }
    return s;
}

void hub_subscribe(struct hub *h, const struct hub_subscription *q, struct stream *stream)
{
    hub_lock(h);
    hub_learn(h, q->bounds, q->n_bounds);
    struct subscriber *s = subscriber_create(h, q, stream);
    stream_attach(stream, &subscriber_ops, s);
    s->next = h->subscribers;
    if (s->next != NULL)
        s->next->previous = s;
    h->subscribers = s;
    if (h->n_subscribers++ == 0) {
        h->next_poll_ns = clock_ns() + h->options.poll_ms * NS_PER_MS; /* the bounds are fresh */
        pthread_cond_signal(&h->reader_cond);
    }
    subscriber_go_live(s); /* as far as the ring allows */
    hub_unlock(h);
}

void hub_stats(struct hub *h, struct hub_stats *ret)
{
    hub_lock(h);
    *ret = (struct hub_stats){
        .subscribers = h->n_subscribers,
        .events = h->ring.head - h->ring.tail,
        .delivered = h->n_delivered,
        .slow = h->n_slow,
    };
    for (const struct subscriber *s = h->subscribers; s != NULL; s = s->next)
        ret->behind += s->state == SUBSCRIBER_BEHIND;
    hub_unlock(h);
}
