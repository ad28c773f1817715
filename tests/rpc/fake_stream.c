/* fake_stream.c - a stream whose client is the test. */
#include "tests/rpc/fake_stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"

enum { QUEUE_MAX = 4096 };

struct packet {
    atomic_uint refs;
    size_t n;
    uint8_t bytes[];
};

struct stream {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct stream_ops *ops;
    void *ctx;
    unsigned capacity, first, n;
    uint8_t *messages[QUEUE_MAX]; /* a ring of capacity */
    size_t lengths[QUEUE_MAX];
    bool refused, ended, stops, is_stopped;
    struct err why;
    char *cursor; /* of the last message pushed, or of the end */
    const struct packet *last_body;
};

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

struct packet *packet_copy(const void *bytes, size_t n)
{
    struct packet *p = must(malloc(sizeof(*p) + n));
    atomic_init(&p->refs, 1);
    p->n = n;
    memcpy(p->bytes, bytes, n);
    return p;
}

struct packet *packet_ref(struct packet *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void packet_unref(struct packet *p)
{
    if (p != NULL && atomic_fetch_sub(&p->refs, 1) == 1)
        free(p);
}

void stream_attach(struct stream *s, const struct stream_ops *ops, void *ctx)
{
    s->ops = ops;
    s->ctx = ctx;
}

static void set_cursor(struct stream *s, const char *cursor)
{
    free(s->cursor);
    s->cursor = cursor != NULL ? must(strdup(cursor)) : NULL;
}

enum stream_push stream_push(struct stream *s, const struct stream_message *m)
{
    enum stream_push result = STREAM_PUSHED;
    pthread_mutex_lock(&s->lock);
    s->is_stopped = s->stops;
    pthread_cond_broadcast(&s->changed);
    while (s->stops)
        pthread_cond_wait(&s->changed, &s->lock);
    s->is_stopped = false;
    if (s->ended) {
        result = STREAM_OVER;
    } else if (s->n == s->capacity) {
        s->refused = true;
        result = STREAM_FULL;
    } else {
        unsigned at = (s->first + s->n++) % s->capacity;
        size_t n_body = m->body != NULL ? m->body->n : 0;
        s->lengths[at] = n_body + m->n_tail;
        s->messages[at] = must(malloc(s->lengths[at] + 1));
        if (n_body > 0)
            memcpy(s->messages[at], m->body->bytes, n_body);
        memcpy(s->messages[at] + n_body, m->tail, m->n_tail);
        s->last_body = m->body;
        set_cursor(s, m->cursor);
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

void stream_finish_at(struct stream *s, const struct err *e, const char *cursor)
{
    pthread_mutex_lock(&s->lock);
    if (!s->ended) {
        s->ended = true;
        s->why = *e;
        if (cursor != NULL)
            set_cursor(s, cursor);
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
}

void stream_finish(struct stream *s, const struct err *e)
{
    stream_finish_at(s, e, NULL);
}

struct stream *fake_stream_create(unsigned capacity)
{
    struct stream *s = must(calloc(1, sizeof(*s)));
    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->changed);
    s->capacity = capacity < QUEUE_MAX ? capacity : QUEUE_MAX;
    return s;
}

void fake_stream_close(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->ended = true; /* pushes are over from now on */
    pthread_mutex_unlock(&s->lock);
    if (s->ops != NULL)
        s->ops->closed(s, s->ctx);
    for (; s->n > 0; s->n--)
        free(s->messages[s->first++ % s->capacity]);
    free(s->cursor);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

Berth__V1__WatchEventsResponse *fake_stream_take(struct stream *s, int timeout_ms)
{
    int64_t until = clock_ns() + timeout_ms * NS_PER_MS;
    pthread_mutex_lock(&s->lock);
    while (s->n == 0 && !s->ended && clock_ns() < until)
        clock_cond_wait(&s->changed, &s->lock, until);
    if (s->n == 0) {
        pthread_mutex_unlock(&s->lock);
        return NULL;
    }
    uint8_t *bytes = s->messages[s->first];
    size_t n = s->lengths[s->first];
    s->first = (s->first + 1) % s->capacity;
    s->n--;
    bool ready = s->refused && s->n <= s->capacity / 2;
    s->refused = s->refused && !ready;
    pthread_mutex_unlock(&s->lock);
    if (ready)
        s->ops->ready(s, s->ctx);
    Berth__V1__WatchEventsResponse *m =
        must(berth__v1__watch_events_response__unpack(NULL, n, bytes));
    free(bytes);
    return m;
}

bool fake_stream_ended(struct stream *s, int timeout_ms, struct err *ret, const char **ret_cursor)
{
    int64_t until = clock_ns() + timeout_ms * NS_PER_MS;
    pthread_mutex_lock(&s->lock);
    while (!s->ended && clock_ns() < until)
        clock_cond_wait(&s->changed, &s->lock, until);
    bool ended = s->ended;
    *ret = s->why;
    *ret_cursor = s->cursor;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

unsigned fake_stream_waiting(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const struct packet *fake_stream_last_body(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    const struct packet *body = s->last_body;
    pthread_mutex_unlock(&s->lock);
    return body;
}

void fake_stream_stop(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->stops = true;
    pthread_mutex_unlock(&s->lock);
}

bool fake_stream_await_stopped(struct stream *s, int timeout_ms)
{
    int64_t until = clock_ns() + timeout_ms * NS_PER_MS;
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopped && clock_ns() < until)
        clock_cond_wait(&s->changed, &s->lock, until);
    bool is_stopped = s->is_stopped;
    pthread_mutex_unlock(&s->lock);
    return is_stopped;
}

void fake_stream_go_on(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->stops = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}
