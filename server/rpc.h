/* rpc.h - what the handler of an RPC sees.
 *
 * An RPC is one line in methods.def and one function in a file of its own:
 *
 *     RPC(ScheduleScalingGroup, rpc_schedule_scaling_group, UNARY, EXECUTOR)
 *
 *     int rpc_schedule_scaling_group(struct rpc_context *c, const void *request,
 *                                    void **response, struct err *e);
 *
 * Kind is UNARY, STREAM (one request, many answers) or CHAT (any number of requests, one answer
 * each). Place is EXECUTOR (a thread with a database and a Redis connection; may wait) or POLLER
 * (the thread that turns the wheel of gRPC; must never wait).
 *
 * The machine has done before a handler runs: size limits, UTF-8, list lengths, required fields,
 * UUID form, known enum values and number ranges of the request (inbound.h, limits.def); overload
 * and drain refusals; for EXECUTOR, that the database has the schema of this build, and the
 * deadline on the database connection. It does after: pack the response, or turn the struct err
 * into a status with details (status.h) and a log line. A handler logs nothing about its failure.
 */
#ifndef BERTH_SERVER_RPC_H
#define BERTH_SERVER_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

struct app;    /* app.h: registry, hub, configuration and the other shared parts */
struct call;   /* call.h: the machine's */
struct caller; /* caller.h */
struct pg;     /* repo/pg.h */
struct redis;  /* repo/redis.h */

/* Lent to the handler until it returns. */
struct rpc_context {
    struct app *app;
    struct arena *arena; /* request, response and scratch; gone when the handler returns */
    struct pg *pg;       /* the executor's; NULL on a POLLER */
    struct pg *reader;   /* for what only reads: pg, or of the setting preview_database */
    struct redis *redis; /* the executor's; NULL on a POLLER */
    int64_t deadline_ns; /* CLOCK_MONOTONIC; the client's, or the setting default_deadline */
    const char *method;  /* "ScheduleScalingGroup"; static storage */
    const char *peer;    /* "ipv4:10.0.0.7:41234"; in the arena */
    const struct caller *caller; /* who calls; never NULL */
    const char *effect; /* set by a handler that changed something: what it is about, for the log */
    bool group_asked;   /* rpc_require_group() or rpc_groups() was called */
    const uint8_t *packed;  /* an answer that is packed already: set it instead of *response */
    size_t n_packed;        /* its length; the bytes are copied when the handler returns */
    struct call *call;      /* for the functions below */
    ProtobufCAllocator pbc; /* gives memory of the arena, for protobuf-c's unpack */
};

/* response: a message of the method's output type, in the arena or static. Return 0 with *response
 * or c->packed set; or -1 with *e. */
typedef int rpc_unary_f(struct rpc_context *c, const void *request, void **response, struct err *e);

/* Several unary calls of one method that waited together, to be done together: a second function,
 * named in a line MANY(method, function) of methods.def. Each call has a context of its own; pg,
 * redis and the arena are the same for all, and the deadline on pg is that of the first to have
 * one. It sets rc and err of each as the function for one would have, which it may call for those
 * that cannot be done with others. */
struct rpc_one {
    struct rpc_context *context;
    const void *request;
    void *response;
    int rc; /* -1: err */
    struct err err;
};
typedef void rpc_many_f(struct rpc_one *v, uint32_t n);

/* Opens a stream: subscribe somewhere, call stream_attach(), return 0; messages pushed meanwhile
 * are sent from then on. -1 ends the call with *e; then nothing may hold on to the stream. */
struct stream; /* stream.h */
typedef int rpc_stream_f(struct rpc_context *c, const void *request, struct stream *s,
                         struct err *e);

/* Answers one message of a CHAT; POLLER only. */
typedef rpc_unary_f rpc_chat_f;

/* True when nobody waits for the answer any more: the client left, the deadline passed, or the
 * grace period of a drain is over. Cheap; ask it at safe points. Any thread while the handler runs.
 */
bool rpc_stopped(const struct rpc_context *c);
/* Is the scaling group one of the caller's? Asked before anything is read or done, so that the
 * answer does not tell whether the group exists. ERR_DENIED, reason GROUP_FORBIDDEN. */
int rpc_require_group(struct rpc_context *c, const char *group, struct err *e) MUST_CHECK;
/* The caller's scaling groups, in byte order, to which an answer is narrowed; NULL: all. */
const char *const *rpc_groups(struct rpc_context *c, uint32_t *ret_n);
/* The first value of a request's metadata key (lower case), in the arena; NULL: not there. */
const char *rpc_metadata(const struct rpc_context *c, const char *key);

enum rpc_kind { RPC_UNARY, RPC_STREAM, RPC_CHAT };
enum rpc_place { RPC_EXECUTOR, RPC_POLLER };

/* Prototypes of all handlers, from the list. */
#define RPC_TYPE_UNARY  rpc_unary_f
#define RPC_TYPE_STREAM rpc_stream_f
#define RPC_TYPE_CHAT   rpc_chat_f
#define SERVICE(descriptor)
#define RPC(method, function, kind, place) RPC_TYPE_##kind function;
#define MANY(method, function)             rpc_many_f function;
#include "server/methods.def"
#undef RPC
#undef SERVICE

#endif
