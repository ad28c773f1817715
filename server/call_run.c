/* call_run.c - around a handler: request in, handler, answer out. No lock is held here. */
#include <assert.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>

#include "server/call.h"
#include "server/clock.h"
#include "server/inbound.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/probe.h"
#include "server/role.h"
#include "server/server_private.h"
#include "server/trace.h"

/* One call on its way through its handler. */
struct run {
    struct call *c;
    struct rpc_context x;
    struct inbound_memory memory;
    struct rpc_one one;
    bool done; /* with others; one.rc and one.response tell how */
};

/* The request as one piece; the slice is to be unreferenced. */
static int read_bytes(grpc_byte_buffer *b, grpc_slice *ret, struct err *e)
{
    grpc_byte_buffer_reader r;
    if (grpc_byte_buffer_reader_init(&r, b) == 0)
        return err_set(e, ERR_INVALID, "MALFORMED_MESSAGE", "the request cannot be decompressed");
    *ret = grpc_byte_buffer_reader_readall(&r);
    grpc_byte_buffer_reader_destroy(&r);
    return 0;
}

static int unpack_request(struct call *c, struct inbound_memory *m, ProtobufCMessage **ret,
                          struct err *e)
{
    grpc_slice bytes = grpc_empty_slice();
    if (read_bytes(c->request, &bytes, e) < 0)
        return -1;
    int rc = inbound_unpack(c->method->input, c->method->rules, GRPC_SLICE_START_PTR(bytes),
                            GRPC_SLICE_LENGTH(bytes), m, ret, e);
    grpc_slice_unref(bytes);
    return rc;
}

static void forget_request(struct call *c)
{
    grpc_byte_buffer_destroy(c->request);
    c->request = NULL;
    atomic_fetch_sub(&c->server->request_bytes, c->request_bytes);
    c->request_bytes = 0;
}

static const char *peer_of(struct call *c, struct arena *a)
{
    char *peer = grpc_call_get_peer(c->call);
    const char *copy = arena_strdup(a, peer);
    gpr_free(peer);
    return copy;
}

static void pack_answer(struct call *c, const struct rpc_context *x, const ProtobufCMessage *m)
{
    grpc_slice s;
    if (x->packed != NULL) {
        s = grpc_slice_from_copied_buffer((const char *)x->packed, x->n_packed);
    } else {
        assert(m != NULL && m->descriptor == c->method->output);
        s = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
        protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(s));
    }
    c->answer = grpc_raw_byte_buffer_create(&s, 1);
    grpc_slice_unref(s);
}

/* What must hold before a handler that uses the database is asked. */
static int require_ready(struct call *c, const struct rpc_context *x, struct err *e)
{
    pg_deadline(x->pg, c->deadline_ns);
    if (x->reader != x->pg)
        pg_deadline(x->reader, c->deadline_ns);
    if (atomic_load(&c->left)) /* after pg_deadline(): see executors_cancel() */
        return err_set(e, ERR_CANCELLED, "CANCELLED", "the client went away");
    if (clock_ns() >= c->deadline_ns)
        return err_set(e, ERR_TIMEOUT, "DEADLINE_EXCEEDED",
                       "the deadline passed before the request was begun");
    return probe_require(c->server->app->probe, x->pg, e);
}

/* A handler that did not ask for the groups of a caller that is limited to some must not answer. */
static int check_asked(const struct call *c, const struct rpc_context *x, struct err *e)
{
    if (x->group_asked || x->caller->groups == NULL ||
        role_access(NULL, x->caller->role, c->method) != ROLE_GROUPS)
        return 0;
    return err_set(e, ERR_INTERNAL, "GROUP_NOT_ASKED",
                   "%s does not look at the caller's scaling groups", c->method->name);
}

/* Who did what, when it is known who. */
static void log_effect(const struct rpc_context *x)
{
    if (x->effect != NULL && x->caller->known)
        log_info("a caller changed something", LOG_STR("method", x->method),
                 LOG_STR("caller", x->caller->name), LOG_STR("role", role_name(x->caller->role)),
                 LOG_STR("about", x->effect), LOG_STR("peer", x->peer));
}

static int run_handler(struct run *r)
{
    struct call *c = r->c;
    struct rpc_one *one = &r->one;
    if (c->method->kind == RPC_STREAM) {
        c->opened = c->method->run.stream(&r->x, one->request, &c->stream, &one->err) == 0;
        assert(!c->opened || check_asked(c, &r->x, &one->err) == 0);
        assert(!c->opened || c->stream.ops != NULL);
        return c->opened ? 0 : -1;
    }
    if (!r->done)
        one->rc = c->method->run.unary(&r->x, one->request, &one->response, &one->err);
    if (one->rc < 0 || check_asked(c, &r->x, &one->err) < 0)
        return -1;
    pack_answer(c, &r->x, one->response);
    return 0;
}

/* Where an error stops travelling. What the client can mend is the client's affair: debug. */
static void log_failure(const struct call *c, const struct rpc_context *x, const struct err *e)
{
    enum log_level level =
        e->code == ERR_INTERNAL                                                         ? LOG_ERROR
        : e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_DENIED ? LOG_WARN
                                                                                        : LOG_DEBUG;
    log_err(level, "call failed", e,
            LOG_FIELDS(LOG_STR("method", c->method->name), LOG_STR("caller", x->caller->name),
                       LOG_STR("peer", x->peer),
                       LOG_NUM("ms", (clock_ns() - c->started_ns) / NS_PER_MS)));
}

/* A text of the request by the name of its field; "": it has no such field, or none is set. */
static const char *request_text(const ProtobufCMessage *m, const char *field)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, field);
    if (f == NULL || f->type != PROTOBUF_C_TYPE_STRING || f->label == PROTOBUF_C_LABEL_REPEATED)
        return "";
    const char *at = (const char *)m;
    const bool is_choice = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (is_choice && *(const uint32_t *)(const void *)(at + f->quantifier_offset) != f->id)
        return "";
    return log_text(*(char *const *)(const void *)(at + f->offset));
}

static const char *traceparent_of(const struct rpc_context *x)
{
    const char *text = rpc_metadata(x, "traceparent");
    return text != NULL && trace_is_parent(text) ? text : "";
}

static void tell_timeout(const struct call *c, struct err *e)
{
    if (e->code == ERR_CANCELLED && clock_ns() >= c->deadline_ns)
        err_set(e, ERR_TIMEOUT, "DEADLINE_EXCEEDED", "the deadline passed");
}

/* The handler; what it logs tells what the request was about. */
static int run_logged(struct run *r)
{
    struct call *c = r->c;
    const ProtobufCMessage *request = r->one.request;
    assert(request != NULL); /* else run_begin() said no */
    LOG_SCOPE(scope, LOG_STR("group", request_text(request, "scaling_group")),
              LOG_STR("request_id", request_text(request, "request_id")),
              LOG_STR("session", request_text(request, "session_id")));
    if (run_handler(r) == 0) {
        log_effect(&r->x);
        log_debug("call answered", LOG_STR("method", c->method->name), LOG_STR("peer", r->x.peer),
                  LOG_NUM("ms", (clock_ns() - c->started_ns) / NS_PER_MS));
        return 0;
    }
    tell_timeout(c, &r->one.err);
    log_failure(c, &r->x, &r->one.err);
    return -1;
}

/* Before the answer goes out, so that who has it finds it counted. */
static void count_retries(struct pg *pg)
{
    const struct pg_retries r = pg_take_retries(pg);
    metric_add(METRIC_commit_retries_total, METRIC_SQLSTATE_40001, r.serialization_failure);
    metric_add(METRIC_commit_retries_total, METRIC_SQLSTATE_40P01, r.deadlock);
}

/* The context, and the request unpacked; one.rc tells whether the handler may run. */
static void run_begin(struct run *r, struct call *c, struct arena *a, struct executor *ex)
{
    ProtobufCMessage *request = NULL;
    *r = (struct run){.c = c,
                      .memory = {.arena = a,
                                 .cap = arena_used(a) +
                                        (size_t)CONFIG_NOW(c->server->config, max_request_memory)},
                      .x = {.app = c->server->app,
                            .arena = a,
                            .pg = ex != NULL ? ex->pg : NULL,
                            .reader = ex != NULL ? ex->reader : NULL,
                            .redis = ex != NULL ? ex->redis : NULL,
                            .deadline_ns = c->deadline_ns,
                            .method = c->method->name,
                            .peer = peer_of(c, a),
                            .caller = c->caller,
                            .call = c},
                      .one = {.err = {.code = ERR_NONE}}};
    r->x.pbc = inbound_allocator(&r->memory);
    r->one.context = &r->x;
    if ((ex != NULL && require_ready(c, &r->x, &r->one.err) < 0) ||
        unpack_request(c, &r->memory, &request, &r->one.err) < 0)
        r->one.rc = -1;
    r->one.request = request;
    forget_request(c);
    r->memory.cap = SIZE_MAX; /* from here on it is the handler's */
}

static void run_end(struct run *r)
{
    struct call *c = r->c;
    if (r->one.rc < 0) {
        pthread_mutex_lock(&c->lock);
        call_set_status(c, &r->one.err, NULL);
        pthread_mutex_unlock(&c->lock);
    }
    call_step(c, CALL_DONE, true);
}

static void run_call(struct run *r, struct executor *ex)
{
    LOG_SCOPE(scope, LOG_STR("method", r->c->method->name),
              LOG_STR("traceparent", traceparent_of(&r->x)));
    if (r->one.rc == 0 || r->done) {
        r->one.rc = run_logged(r);
    } else {
        tell_timeout(r->c, &r->one.err);
        log_failure(r->c, &r->x, &r->one.err);
    }
    if (ex != NULL)
        count_retries(ex->pg);
    run_end(r);
}

void call_run_inline(struct call *c)
{
    struct arena *a = cq_arena(c->cq);
    struct run r;
    run_begin(&r, c, a, NULL);
    run_call(&r, NULL);
    arena_reset(a);
}

static struct call *call_of(struct job *j)
{
    return (struct call *)((char *)j - offsetof(struct call, job));
}

void call_run_job(struct job *j, struct executor *x)
{
    struct call *c = call_of(j);
    struct run r;
    run_begin(&r, c, x->arena, x);
    run_call(&r, x);
    call_job_done(c);
}

/* --- several at a time --- */

enum { TOGETHER_LEAST_MS = 1000 }; /* who has less time left would cut the others short */

static bool can_be_together(const struct run *r)
{
    return r->one.rc == 0 && r->c->deadline_ns - clock_ns() >= TOGETHER_LEAST_MS * NS_PER_MS;
}

/* After pg_deadline(): see executors_cancel(). */
static bool all_left(struct run *const *v, unsigned n)
{
    unsigned left = 0;
    for (unsigned i = 0; i < n; i++)
        left += atomic_load(&v[i]->c->left);
    return left == n;
}

/* Those that can be done together are; the others are left as they are. */
static void run_together(struct run *runs, unsigned n, struct executor *x)
{
    struct rpc_one *v = arena_new(x->arena, struct rpc_one, n);
    struct run **of = arena_new(x->arena, struct run *, n);
    int64_t until = INT64_MAX;
    unsigned n_together = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!can_be_together(&runs[i]))
            continue;
        until = runs[i].c->deadline_ns < until ? runs[i].c->deadline_ns : until;
        v[n_together] = runs[i].one;
        of[n_together++] = &runs[i];
    }
    pg_deadline(x->pg, until);
    if (all_left(of, n_together)) /* or there is none */
        return;
    of[0]->c->method->many(v, n_together);
    for (unsigned i = 0; i < n_together; i++) {
        of[i]->one = v[i];
        of[i]->done = true;
    }
}

void call_run_jobs(struct job *first, struct executor *x)
{
    unsigned n = 0;
    for (const struct job *j = first; j != NULL; j = j->next)
        n++;
    struct run *runs = arena_new(x->arena, struct run, n);
    n = 0;
    for (struct job *j = first; j != NULL; j = j->next)
        run_begin(&runs[n++], call_of(j), x->arena, x);
    run_together(runs, n, x);
    executor_parting(x);
    for (unsigned i = 0; i < n; i++) {
        struct run *r = &runs[i];
        if (!r->done && r->one.rc == 0)
            r->one.rc = require_ready(r->c, &r->x, &r->one.err);
        run_call(r, x);
        call_job_done(r->c);
    }
}

/* --- what a handler may ask --- */

bool rpc_stopped(const struct rpc_context *x)
{
    return atomic_load(&x->call->left) || atomic_load(&x->call->server->stopping) ||
           clock_ns() >= x->deadline_ns;
}

const char *rpc_metadata(const struct rpc_context *x, const char *key)
{
    const grpc_metadata_array *m = &x->call->metadata;
    for (size_t i = 0; i < m->count; i++) {
        grpc_slice k = m->metadata[i].key;
        grpc_slice v = m->metadata[i].value;
        if (GRPC_SLICE_LENGTH(k) == strlen(key) &&
            memcmp(GRPC_SLICE_START_PTR(k), key, strlen(key)) == 0)
            return arena_strndup(x->arena, (const char *)GRPC_SLICE_START_PTR(v),
                                 GRPC_SLICE_LENGTH(v));
    }
    return NULL;
}
