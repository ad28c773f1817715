/* cq.c - the poller's loop, and what ThreadSanitizer must be told: libgrpc is not instrumented, so
 * the way of a tag through it is announced here. */
#include "server/cq.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/log.h"

#ifdef __has_feature /* clang */
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1 /* as gcc says it */
#endif
#endif

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define TAG_LENT(tag) __tsan_release(tag)
#define TAG_HOME(tag) __tsan_acquire(tag)
#else
#define TAG_LENT(tag) ((void)(tag))
#define TAG_HOME(tag) ((void)(tag))
#endif

struct cq {
    grpc_completion_queue *queue;
    struct arena *arena;
    pthread_t poller;
    bool running;
};

static void *poll_queue(void *arg)
{
    struct cq *q = arg;
    for (;;) {
        grpc_event ev =
            grpc_completion_queue_next(q->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (ev.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (ev.type != GRPC_OP_COMPLETE)
            continue;
        struct cq_tag *tag = ev.tag;
        TAG_HOME(tag);
        tag->fired(tag, ev.success != 0);
    }
}

int cq_create(struct cq **ret, struct err *e)
{
    struct cq *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    q->queue = grpc_completion_queue_create_for_next(NULL);
    q->arena = arena_create();
    *ret = q;
    return 0;
}

int cq_start(struct cq *q, struct err *e)
{
    if (pthread_create(&q->poller, NULL, poll_queue, q) != 0)
        return err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start a poller thread");
    q->running = true;
    return 0;
}

void cq_destroy(struct cq *q)
{
    if (q == NULL)
        return;
    grpc_completion_queue_shutdown(q->queue);
    if (q->running)
        pthread_join(q->poller, NULL);
    else
        poll_queue(q); /* drains what was posted, in place of the thread that never was */
    grpc_completion_queue_destroy(q->queue);
    arena_destroy(q->arena);
    free(q);
}

grpc_completion_queue *cq_queue(struct cq *q)
{
    return q->queue;
}

struct arena *cq_arena(struct cq *q)
{
    return q->arena;
}

static void require_ok(grpc_call_error code, const char *what)
{
    if (code == GRPC_CALL_OK)
        return;
    log_error("gRPC refused an operation: this is a bug", LOG_STR("operation", what),
              LOG_STR("error", grpc_call_error_to_string(code)));
    abort();
}

void cq_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct cq_tag *tag)
{
    TAG_LENT(tag);
    require_ok(grpc_call_start_batch(call, ops, n, tag, NULL), "start_batch");
}

void cq_request_call(struct cq *q, grpc_server *server, grpc_call **ret_call,
                     grpc_call_details *details, grpc_metadata_array *metadata, struct cq_tag *tag)
{
    TAG_LENT(tag);
    require_ok(
        grpc_server_request_call(server, ret_call, details, metadata, q->queue, q->queue, tag),
        "request_call");
}
