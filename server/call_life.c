/* call_life.c - how a call is posted, ended from outside, and let go. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/call.h"
#include "server/clock.h"
#include "server/server_private.h"

/* What a call has of gRPC goes at once when the last lent tag is home; its memory may live on in
 * the hands of a stream's holder. */
static void release(struct call *c)
{
    struct server *s = c->server;
    assert(c->state == CALL_OVER);
    stream_drop(c);
    if (c->has_status)
        status_finish(&c->status);
    if (c->request != NULL)
        grpc_byte_buffer_destroy(c->request);
    if (c->answer != NULL)
        grpc_byte_buffer_destroy(c->answer);
    atomic_fetch_sub(&s->request_bytes, c->request_bytes);
    grpc_metadata_array_destroy(&c->metadata);
    grpc_call_details_destroy(&c->details);
    if (c->call != NULL)
        grpc_call_unref(c->call);
    call_dismiss(c);
    server_unlink(s, c);
    call_unref(c);
}

static void give_back(struct call *c)
{
    if (atomic_fetch_sub(&c->lent, 1) == 1)
        release(c);
}

static void tag_fired(struct cq_tag *tag, bool ok)
{
    struct call_tag *t = (struct call_tag *)tag;
    struct call *c = t->call;
    if (t->event == CALL_ARRIVED && ok)
        call_listen(c->server,
                    c->cq); /* first of all, so that the next client is not kept waiting */
    if (t->event == CALL_READ)
        caller_read_end(c->caller);
    call_step(c, t->event, ok);
    give_back(c);
}

void call_listen(struct server *s, struct cq *q)
{
    struct call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        abort();
    for (int i = 0; i < N_CALL_TAGS; i++)
        c->tags[i] =
            (struct call_tag){.base.fired = tag_fired, .call = c, .event = (enum call_event)i};
    c->server = s;
    c->cq = q;
    pthread_mutex_init(&c->lock, NULL);
    atomic_init(&c->refs, 1);
    atomic_init(&c->lent, 1);
    c->stream.last = &c->stream.first;
    grpc_call_details_init(&c->details);
    grpc_metadata_array_init(&c->metadata);
    server_link(s, c);
    cq_request_call(q, s->grpc, &c->call, &c->details, &c->metadata, &c->tags[CALL_ARRIVED].base);
}

void call_unref(struct call *c)
{
    if (atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&c->lock);
    free(c->stream.cursor);
    free(c);
}

static void finish_locked(struct call *c, const struct err *e, const char *cursor)
{
    if (call_set_status(c, e, cursor))
        call_step_locked(c, CALL_FINISH);
}

/* As above, but what is queued is sent first, and the cursor is that of the last message of it. */
static void flush_locked(struct call *c, const struct err *e)
{
    if (!call_set_status(c, e, stream_last_cursor(c)))
        return;
    c->drop_queue = false;
    call_step_locked(c, CALL_FINISH);
}

void call_finish(struct call *c, const struct err *e, const char *cursor)
{
    pthread_mutex_lock(&c->lock);
    finish_locked(c, e, cursor);
    pthread_mutex_unlock(&c->lock);
}

void call_job_done(struct call *c)
{
    give_back(c);
}

/* Streams and chats could stay for ever; unary calls get the grace period. */
void call_drain(struct call *c)
{
    struct err e;
    err_set(&e, ERR_UNAVAILABLE, "DRAINING", "this replica is shutting down: connect to another");
    pthread_mutex_lock(&c->lock);
    if (c->state != CALL_LISTENING && c->method != NULL && c->method->kind != RPC_UNARY)
        flush_locked(c, &e);
    pthread_mutex_unlock(&c->lock);
}

/* A stream of a caller whose credentials were taken away, or have expired, ends. */
static bool check_caller(struct call *c)
{
    struct err e;
    bool open = c->state == CALL_STREAMING ||
                (c->state == CALL_READING && c->method != NULL && c->method->kind == RPC_CHAT);
    if (!open || c->caller == NULL || caller_check(c->caller, time(NULL), &e) == 0)
        return false;
    finish_locked(c, &e, NULL);
    return true;
}

static void check_locked(struct call *c, int64_t age_ns, int64_t limit_ns)
{
    struct err e;
    if (check_caller(c) || age_ns < limit_ns)
        return;
    if (c->state == CALL_READING) {
        err_set(&e, ERR_TIMEOUT, "NO_REQUEST", "no request message came within the time allowed");
        finish_locked(c, &e, NULL);
    } else if (c->state == CALL_FLUSHING || c->state == CALL_ENDING) {
        /* The client does not read. Cancelling sends the code past what stands in its window. */
        grpc_call_cancel_with_status(c->call, c->status.code, "the client did not read in time",
                                     NULL);
    }
}

void call_check_age(struct call *c, int64_t now_ns, int64_t limit_ns)
{
    pthread_mutex_lock(&c->lock);
    /* A chat may think between two questions. */
    if (c->state == CALL_READING && c->method->kind == RPC_CHAT && limit_ns < 60 * NS_PER_S)
        limit_ns = 60 * NS_PER_S;
    check_locked(c, now_ns - c->since_ns, limit_ns);
    pthread_mutex_unlock(&c->lock);
}
