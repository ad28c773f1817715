/* call.h - the life of one call, inside the machine (handlers see rpc.h and stream.h).
 *
 * A call is posted (LISTENING), arrives, reads its request, runs, answers and is over; the table of
 * steps in call.c is the whole machine. The state is guarded by the call's lock, which is never
 * held while a handler or a callback runs. Lock order: a publisher's lock, then server.list_lock,
 * then call.lock, then the executors' locks.
 *
 * Two counts: `lent` counts tags that are with gRPC and jobs with the executors; when it is 0 the
 * call is over and what it has of gRPC is let go. `refs` counts who may still look at the memory:
 * the machine (one, until lent is 0) and holders of the stream. */
#ifndef BERTH_SERVER_CALL_H
#define BERTH_SERVER_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include <grpc/grpc.h>

#include "server/caller.h"
#include "server/cq.h"
#include "server/executor.h"
#include "server/method.h"
#include "server/status.h"
#include "server/stream.h"

struct server;

enum call_state {
    CALL_LISTENING, /* posted, waits for a client */
    CALL_READING,   /* waits for a request message */
    CALL_RUNNING,   /* its handler is queued or runs */
    CALL_ANSWERING, /* CHAT: an answer is on its way */
    CALL_STREAMING, /* STREAM: open */
    CALL_FLUSHING,  /* STREAM: ending, a message is still on its way */
    CALL_ENDING,    /* the status is on its way */
    CALL_OVER,
    N_CALL_STATES
};

enum call_event {
    CALL_ARRIVED, /* tag: a client called (ok), or the server shuts down */
    CALL_READ,    /* tag: a request message, or none */
    CALL_SENT,    /* tag: a message (or a stream's headers) went out */
    CALL_ENDED,   /* tag: the status went out */
    CALL_LEFT,    /* tag: the client is gone, or was told all */
    N_CALL_TAGS,
    CALL_DONE = N_CALL_TAGS, /* the handler returned */
    CALL_PUSHED,             /* a message was queued */
    CALL_FINISH,             /* the status is known: end the call */
    N_CALL_EVENTS
};

struct call_tag {
    struct cq_tag base;
    struct call *call;
    enum call_event event;
};

struct queued { /* a message that waits for its turn */
    struct queued *next;
    grpc_byte_buffer *bytes;
    char *cursor; /* or NULL */
};

struct stream { /* the part of a call that streams; &call->stream is the handle */
    const struct stream_ops *ops;
    void *ctx;
    struct queued *first, **last;
    unsigned n_queued;
    bool sending;    /* a message is with gRPC */
    bool want_ready; /* a push was refused */
    char *cursor;    /* of the last message handed to gRPC; or NULL */
};

struct call {
    struct call_tag tags[N_CALL_TAGS];
    struct server *server;
    struct cq *cq;
    struct call *next, **link; /* the server's list, under its list_lock */
    atomic_uint lent, refs;
    pthread_mutex_t lock;

    /* under the lock */
    enum call_state state;
    int64_t since_ns;              /* when it came into this state */
    void (*after)(struct call *c); /* to be called once the lock is free; set by a step */
    bool counted;                  /* in the server's count of calls or streams */
    bool headers_sent;
    bool has_status;
    bool drop_queue; /* what is queued is not sent before the status */
    struct status status;
    grpc_metadata trailer; /* points into status; must live until the status is sent */
    struct stream stream;

    /* written once on the way */
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    const struct method *method; /* NULL: unknown */
    struct caller *caller;       /* a reference; NULL: not known (yet) */
    bool caller_counted;         /* in the caller's count of calls or streams */
    int64_t started_ns, deadline_ns;
    grpc_byte_buffer *request; /* with gRPC while READING, the handler's while RUNNING */
    size_t request_bytes;
    grpc_byte_buffer *answer; /* the handler's while RUNNING */
    bool opened;              /* STREAM: the open handler returned 0 */
    int close_flag;           /* core writes it */
    atomic_bool left;         /* nobody waits for the answer any more */
    struct job job;
};

/* Posts a call for the next client of this queue. */
void call_listen(struct server *s, struct cq *q);
void call_unref(struct call *c);

/* One event: takes the lock, makes the step, runs what the step left to do. */
void call_step(struct call *c, enum call_event event, bool ok);
/* The same with the lock held; for events whose steps leave nothing to do: PUSHED and FINISH. */
void call_step_locked(struct call *c, enum call_event event);
/* Sets the status if there is none yet, with the lock held; true if it was set. cursor NULL: that
 * of the last message handed to gRPC. */
bool call_set_status(struct call *c, const struct err *e, const char *cursor);
/* Ends the call with *e; the first status wins. List lock or none held. */
void call_finish(struct call *c, const struct err *e, const char *cursor);
/* An executor has no more use for the call. */
void call_job_done(struct call *c);

/* For the server's housekeeping, list lock held. */
void call_drain(struct call *c);
void call_check_age(struct call *c, int64_t now_ns, int64_t limit_ns);

/* call_admit.c: who calls, and is there room? Sets c->caller. call_dismiss(), when the call is
 * over, takes back what it did, also when it failed. */
int call_admit(struct call *c, struct err *e) MUST_CHECK;
void call_dismiss(struct call *c);

/* call_run.c: unpacks the request, runs the handler, packs the answer, then makes the step DONE. */
void call_run_inline(struct call *c);
void call_run_job(struct job *j, struct executor *x);
void call_run_jobs(struct job *first, struct executor *x); /* calls of one method with `many` */

/* stream.c, lock held: the queue. */
void stream_pump(struct call *c); /* hands the next message to gRPC, if there is one */
const char *
stream_last_cursor(const struct call *c); /* of the last message queued or sent; or NULL */
void stream_drop(struct call *c);         /* forgets what is queued */
void stream_closed(struct call *c);       /* calls closed(); lock not held */
void stream_ready(struct call *c);        /* calls ready(); lock not held */

#endif
