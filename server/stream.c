/* stream.c - the queue of a stream, and what publishers call. */
#include "server/stream.h"

#include <stdlib.h>
#include <string.h>

#include "server/call.h"
#include "server/packet.h"
#include "server/server_private.h"

static struct call *call_of(struct stream *s)
{
    return (struct call *)((char *)s - offsetof(struct call, stream));
}

void stream_attach(struct stream *s, const struct stream_ops *ops, void *ctx)
{
    struct call *c = call_of(s);
    pthread_mutex_lock(&c->lock);
    s->ops = ops;
    s->ctx = ctx;
    pthread_mutex_unlock(&c->lock);
}

struct stream *stream_ref(struct stream *s)
{
    atomic_fetch_add(&call_of(s)->refs, 1);
    return s;
}

void stream_unref(struct stream *s)
{
    if (s != NULL)
        call_unref(call_of(s));
}

static char *copy_text(const char *s)
{
    char *copy = s != NULL ? strdup(s) : NULL;
    if (s != NULL && copy == NULL)
        abort();
    return copy;
}

static void enqueue(struct stream *s, const struct stream_message *m)
{
    struct queued *q = malloc(sizeof(*q));
    if (q == NULL)
        abort();
    *q = (struct queued){.bytes = packet_buffer(m->body, m->tail, m->n_tail),
                         .cursor = copy_text(m->cursor)};
    *s->last = q;
    s->last = &q->next;
    s->n_queued++;
}

static struct queued *dequeue(struct stream *s)
{
    struct queued *q = s->first;
    s->first = q->next;
    if (s->first == NULL)
        s->last = &s->first;
    s->n_queued--;
    return q;
}

void stream_drop(struct call *c)
{
    while (c->stream.first != NULL) {
        struct queued *q = dequeue(&c->stream);
        grpc_byte_buffer_destroy(q->bytes);
        free(q->cursor);
        free(q);
    }
}

const char *stream_last_cursor(const struct call *c)
{
    const char *cursor = c->stream.cursor;
    for (const struct queued *q = c->stream.first; q != NULL; q = q->next)
        cursor = q->cursor != NULL ? q->cursor : cursor;
    return cursor;
}

void stream_pump(struct call *c)
{
    struct stream *s = &c->stream;
    if (s->first == NULL)
        return;
    struct queued *q = dequeue(s);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = q->bytes;
    if (s->first != NULL)
        op.flags = GRPC_WRITE_BUFFER_HINT; /* more is coming: fewer, larger writes */
    s->sending = true;
    atomic_fetch_add(&c->lent, 1);
    cq_start_batch(c->call, &op, 1, &c->tags[CALL_SENT].base);
    grpc_byte_buffer_destroy(q->bytes);
    if (q->cursor != NULL) {
        free(s->cursor);
        s->cursor = q->cursor;
    }
    free(q);
}

enum stream_push stream_push(struct stream *s, const struct stream_message *m)
{
    struct call *c = call_of(s);
    enum stream_push answer = STREAM_PUSHED;
    pthread_mutex_lock(&c->lock);
    if (c->has_status || (c->state != CALL_RUNNING && c->state != CALL_STREAMING)) {
        answer = STREAM_OVER;
    } else if (s->n_queued >= (unsigned)CONFIG_NOW(c->server->config, stream_queue)) {
        s->want_ready = true;
        answer = STREAM_FULL;
    } else {
        enqueue(s, m);
        call_step_locked(c, CALL_PUSHED);
    }
    pthread_mutex_unlock(&c->lock);
    return answer;
}

void stream_finish(struct stream *s, const struct err *e)
{
    call_finish(call_of(s), e, NULL);
}

void stream_finish_at(struct stream *s, const struct err *e, const char *cursor)
{
    call_finish(call_of(s), e, cursor);
}

void stream_closed(struct call *c)
{
    c->stream.ops->closed(&c->stream, c->stream.ctx);
}

void stream_ready(struct call *c)
{
    c->stream.ops->ready(&c->stream, c->stream.ctx);
}
