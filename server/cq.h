/* cq.h - a completion queue, its poller thread, and the only places where operations are handed to
 * gRPC.
 *
 * A tag is lent to gRPC by cq_start_batch() or cq_request_call() and comes home exactly once, on
 * the queue's poller, as fired(tag, ok). An operation gRPC refuses is a bug of ours: it aborts. The
 * queue must not be shut down while a call can still start a batch (server.c counts calls). */
#ifndef BERTH_SERVER_CQ_H
#define BERTH_SERVER_CQ_H

#include <stdbool.h>

#include <grpc/grpc.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

struct cq;

struct cq_tag { /* embed it first in what the event is about */
    void (*fired)(struct cq_tag *tag, bool ok);
};

int cq_create(struct cq **ret, struct err *e) MUST_CHECK; /* no thread yet */
int cq_start(struct cq *q, struct err *e) MUST_CHECK;     /* starts the poller */
/* Shuts the queue down, waits for the poller, frees. NULL is fine. */
void cq_destroy(struct cq *q);

grpc_completion_queue *cq_queue(struct cq *q);
/* Scratch memory of the poller, reset by its user; only on the poller's thread. */
struct arena *cq_arena(struct cq *q);

void cq_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct cq_tag *tag);
/* Posts one request for any call; ok=false when the server shuts down. */
void cq_request_call(struct cq *q, grpc_server *server, grpc_call **ret_call,
                     grpc_call_details *details, grpc_metadata_array *metadata, struct cq_tag *tag);

#endif
