/* call.c - the table of steps, and the steps. */
#include "server/call.h"

#include <assert.h>
#include <stdlib.h>

#include <grpc/support/time.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/server_private.h"

/* A step runs with the lock held, starts what comes next, and says the new state. */
typedef enum call_state step_f(struct call *c, bool ok);

/* --- handing operations to gRPC --- */

static struct cq_tag *lend_tag(struct call *c, enum call_event event)
{
    atomic_fetch_add(&c->lent, 1);
    return &c->tags[event].base;
}

static grpc_op headers_op(struct call *c)
{
    c->headers_sent = true;
    return (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
}

static enum call_state end_with(struct call *c, const struct err *e);

static enum call_state start_read(struct call *c)
{
    struct err e = {.code = ERR_NONE};
    if (caller_read_begin(c->caller, &e) < 0) {
        atomic_fetch_add(&c->server->n_refused, 1);
        return end_with(c, &e);
    }
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &c->request;
    cq_start_batch(c->call, &op, 1, lend_tag(c, CALL_READ));
    return CALL_READING;
}

static void start_close_watch(struct call *c)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &c->close_flag;
    cq_start_batch(c->call, &op, 1, lend_tag(c, CALL_LEFT));
}

/* The last batch: headers if need be, a unary answer if there is one, the status. */
static enum call_state start_end(struct call *c)
{
    grpc_op ops[3];
    size_t n = 0;
    assert(c->has_status);
    metrics_rpc(c->method != NULL ? c->method->metric : METRICS_UNKNOWN_METHOD, c->status.code,
                clock_ns() - c->started_ns);
    if (!c->headers_sent)
        ops[n++] = headers_op(c);
    if (c->answer != NULL && c->status.code == GRPC_STATUS_OK) {
        ops[n] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[n++].data.send_message.send_message = c->answer;
    }
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    ops[n].data.send_status_from_server.status = c->status.code;
    ops[n].data.send_status_from_server.status_details = &c->status.message;
    if (GRPC_SLICE_LENGTH(c->status.details) > 0) {
        c->trailer =
            (grpc_metadata){.key = grpc_slice_from_static_string("grpc-status-details-bin"),
                            .value = c->status.details};
        ops[n].data.send_status_from_server.trailing_metadata = &c->trailer;
        ops[n].data.send_status_from_server.trailing_metadata_count = 1;
    }
    cq_start_batch(c->call, ops, n + 1, lend_tag(c, CALL_ENDED));
    return CALL_ENDING;
}

bool call_set_status(struct call *c, const struct err *e, const char *cursor)
{
    if (c->has_status)
        return false;
    status_init(&c->status, e, cursor != NULL ? cursor : c->stream.cursor);
    c->has_status = true;
    c->drop_queue = e != NULL;
    return true;
}

static enum call_state end_with(struct call *c, const struct err *e)
{
    call_set_status(c, e, NULL);
    return start_end(c);
}

static const struct err gone = {
    .code = ERR_CANCELLED, .reason = "CANCELLED", .message = "the client went away"};

/* --- steps --- */

enum {
    LONGEST_S = 366 * 86400, /* so that no arithmetic on a deadline overflows */
    TOGETHER_BYTES = 4096    /* of requests that are unpacked into one arena */
};

/* details.deadline is of core's monotonic clock, whose zero is its own affair. */
static int64_t deadline_of(const struct call *c)
{
    gpr_timespec d = gpr_convert_clock_type(c->details.deadline, GPR_CLOCK_MONOTONIC);
    if (gpr_time_cmp(d, gpr_inf_future(GPR_CLOCK_MONOTONIC)) == 0)
        return c->started_ns + CONFIG_NOW(c->server->config, default_deadline) * NS_PER_MS;
    gpr_timespec left = gpr_time_sub(d, gpr_now(GPR_CLOCK_MONOTONIC));
    if (left.tv_sec > LONGEST_S)
        left.tv_sec = LONGEST_S;
    return c->started_ns + left.tv_sec * NS_PER_S + left.tv_nsec;
}

static enum call_state on_arrived(struct call *c, bool ok)
{
    struct err e = {.code = ERR_NONE};
    if (!ok)
        return CALL_OVER; /* the server shuts down */
    c->started_ns = clock_ns();
    c->deadline_ns = deadline_of(c);
    c->method =
        methods_find(c->server->methods, (const char *)GRPC_SLICE_START_PTR(c->details.method),
                     GRPC_SLICE_LENGTH(c->details.method));
    start_close_watch(c);
    if (call_admit(c, &e) < 0)
        return end_with(c, &e);
    return start_read(c);
}

/* A message is here: is there room for it? */
static int accept_request(struct call *c, struct err *e)
{
    const struct config *g = c->server->config;
    c->request_bytes = grpc_byte_buffer_length(c->request);
    size_t held = atomic_fetch_add(&c->server->request_bytes, c->request_bytes);
    if (c->request_bytes > (size_t)g->max_message) {
        err_set(e, ERR_EXHAUSTED, "MESSAGE_TOO_LARGE",
                "the request message has %zu bytes, more than the %lld allowed", c->request_bytes,
                (long long)g->max_message);
        return err_meta(e, "limit", "%lld", (long long)g->max_message);
    }
    if (held + c->request_bytes > (size_t)CONFIG_NOW(g, max_requests_memory)) {
        err_set(e, ERR_EXHAUSTED, "OVERLOADED",
                "too many large requests at a time: try again later");
        return err_retry(e, 100);
    }
    return 0;
}

static enum call_state on_read(struct call *c, bool ok)
{
    struct err e = {.code = ERR_NONE};
    if (!ok || c->request == NULL) {
        if (ok && c->method->kind == RPC_CHAT)
            return end_with(c, NULL); /* the client has asked all it wanted */
        err_set(&e, ERR_INVALID, "MALFORMED_MESSAGE", "the request has no message");
        return end_with(c, atomic_load(&c->left) ? &gone : &e);
    }
    if (accept_request(c, &e) < 0)
        return end_with(c, &e);
    if (c->method->place == RPC_POLLER) {
        c->after = call_run_inline;
        return CALL_RUNNING;
    }
    c->job.run = call_run_job;
    if (c->method->many != NULL && c->request_bytes <= TOGETHER_BYTES)
        c->job.run_many = call_run_jobs;
    atomic_fetch_add(&c->lent, 1);
    if (executors_submit(c->server->app->executors, &c->job, &e) < 0) {
        atomic_fetch_sub(&c->lent, 1);
        atomic_fetch_add(&c->server->n_refused, 1);
        return end_with(c, &e);
    }
    return CALL_RUNNING;
}

static enum call_state start_headers(struct call *c)
{
    grpc_op op = headers_op(c);
    c->stream.sending = true;
    cq_start_batch(c->call, &op, 1, lend_tag(c, CALL_SENT));
    return c->has_status ? CALL_FLUSHING : CALL_STREAMING;
}

static enum call_state start_answer(struct call *c)
{
    grpc_op ops[2];
    size_t n = 0;
    if (!c->headers_sent)
        ops[n++] = headers_op(c);
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
    ops[n].data.send_message.send_message = c->answer;
    cq_start_batch(c->call, ops, n + 1, lend_tag(c, CALL_SENT));
    return CALL_ANSWERING;
}

static enum call_state on_done(struct call *c, bool ok)
{
    (void)ok;
    if (atomic_load(&c->left))
        call_set_status(c, &gone, NULL);
    if (c->drop_queue)
        stream_drop(c);
    if (c->method->kind == RPC_STREAM && (!c->has_status || c->stream.n_queued > 0))
        return start_headers(c);
    if (c->method->kind == RPC_CHAT && !c->has_status)
        return start_answer(c);
    return end_with(c, NULL);
}

/* CHAT: the answer is out, the next request may come. */
static enum call_state on_answered(struct call *c, bool ok)
{
    (void)ok; /* when it did not go out the next read fails too */
    grpc_byte_buffer_destroy(c->answer);
    c->answer = NULL;
    return c->has_status ? start_end(c) : start_read(c);
}

static enum call_state on_sent(struct call *c, bool ok)
{
    struct stream *s = &c->stream;
    s->sending = false;
    if (!ok)
        stream_drop(c); /* the connection broke; LEFT follows */
    stream_pump(c);
    if (s->want_ready && s->n_queued <= (unsigned)CONFIG_NOW(c->server->config, stream_queue) / 2) {
        s->want_ready = false;
        if (s->ops != NULL && s->ops->ready != NULL)
            c->after = stream_ready;
    }
    return CALL_STREAMING;
}

static enum call_state on_pushed(struct call *c, bool ok)
{
    (void)ok;
    if (!c->stream.sending)
        stream_pump(c);
    return CALL_STREAMING;
}

/* STREAM, open or flushing: what remains is sent, then the status. */
static enum call_state end_stream(struct call *c)
{
    if (c->drop_queue)
        stream_drop(c);
    if (!c->stream.sending)
        stream_pump(c);
    return c->stream.sending ? CALL_FLUSHING : start_end(c);
}

static enum call_state on_finish(struct call *c, bool ok)
{
    (void)ok;
    return end_stream(c);
}

static enum call_state on_flushed(struct call *c, bool ok)
{
    c->stream.sending = false;
    if (!ok)
        c->drop_queue = true;
    return end_stream(c);
}

static enum call_state on_end_asked(struct call *c, bool ok)
{
    (void)ok;
    return start_end(c);
}

static enum call_state on_left_streaming(struct call *c, bool ok)
{
    (void)ok;
    atomic_store(&c->left, true);
    call_set_status(c, &gone, NULL);
    c->drop_queue = true;
    return end_stream(c);
}

static enum call_state on_left_running(struct call *c, bool ok)
{
    (void)ok;
    atomic_store(&c->left, true);
    if (c->method->place == RPC_EXECUTOR)
        executors_cancel(c->server->app->executors, &c->job);
    return CALL_RUNNING;
}

static enum call_state on_left(struct call *c, bool ok)
{
    (void)ok;
    atomic_store(&c->left, true);
    return c->state;
}

static enum call_state on_ended(struct call *c, bool ok)
{
    (void)ok;
    if (c->opened)
        c->after = stream_closed;
    return CALL_OVER;
}

static enum call_state on_stay(struct call *c, bool ok)
{
    (void)ok;
    return c->state;
}

/* The whole machine. An empty cell is a bug in this file, not a runtime condition. */
static step_f *const steps[N_CALL_STATES][N_CALL_EVENTS] = {
    [CALL_LISTENING] = {[CALL_ARRIVED] = on_arrived},
    [CALL_READING] = {[CALL_READ] = on_read, [CALL_LEFT] = on_left, [CALL_FINISH] = on_end_asked},
    [CALL_RUNNING] = {[CALL_DONE] = on_done,
                      [CALL_LEFT] = on_left_running,
                      [CALL_PUSHED] = on_stay,
                      [CALL_FINISH] = on_stay},
    [CALL_ANSWERING] = {[CALL_SENT] = on_answered, [CALL_LEFT] = on_left, [CALL_FINISH] = on_stay},
    [CALL_STREAMING] = {[CALL_SENT] = on_sent,
                        [CALL_PUSHED] = on_pushed,
                        [CALL_LEFT] = on_left_streaming,
                        [CALL_FINISH] = on_finish},
    [CALL_FLUSHING] = {[CALL_SENT] = on_flushed, [CALL_LEFT] = on_left_streaming},
    [CALL_ENDING] = {[CALL_ENDED] = on_ended, [CALL_LEFT] = on_left, [CALL_READ] = on_stay},
    [CALL_OVER] = {[CALL_LEFT] = on_left, [CALL_READ] = on_stay},
};

static void make_step(struct call *c, enum call_event event, bool ok)
{
    step_f *step = steps[c->state][event];
    assert(step != NULL);
    enum call_state next = step(c, ok);
    if (next != c->state)
        c->since_ns = clock_ns();
    c->state = next;
}

void call_step_locked(struct call *c, enum call_event event)
{
    make_step(c, event, true);
    assert(c->after == NULL);
}

void call_step(struct call *c, enum call_event event, bool ok)
{
    pthread_mutex_lock(&c->lock);
    make_step(c, event, ok);
    void (*after)(struct call *) = c->after;
    c->after = NULL;
    pthread_mutex_unlock(&c->lock);
    if (after != NULL)
        after(c);
}
