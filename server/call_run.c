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

static int run_handler(struct call *c, struct rpc_context *x, const ProtobufCMessage *request,
                       struct err *e)
{
    void *response = NULL;
    if (c->method->kind == RPC_STREAM) {
        c->opened = c->method->run.stream(x, request, &c->stream, e) == 0;
        assert(!c->opened || check_asked(c, x, e) == 0);
        assert(!c->opened || c->stream.ops != NULL);
        return c->opened ? 0 : -1;
    }
    if (c->method->run.unary(x, request, &response, e) < 0 || check_asked(c, x, e) < 0)
        return -1;
    pack_answer(c, x, response);
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
static int run_logged(struct call *c, struct rpc_context *x, const ProtobufCMessage *request,
                      struct err *e)
{
    LOG_SCOPE(scope, LOG_STR("group", request_text(request, "scaling_group")),
              LOG_STR("request_id", request_text(request, "request_id")),
              LOG_STR("session", request_text(request, "session_id")));
    int rc = run_handler(c, x, request, e);
    if (rc == 0) {
        log_effect(x);
        log_debug("call answered", LOG_STR("method", c->method->name), LOG_STR("peer", x->peer),
                  LOG_NUM("ms", (clock_ns() - c->started_ns) / NS_PER_MS));
        return 0;
    }
    tell_timeout(c, e);
    log_failure(c, x, e);
    return -1;
}

/* Before the answer goes out, so that who has it finds it counted. */
static void count_retries(struct pg *pg)
{
    const struct pg_retries r = pg_take_retries(pg);
    metric_add(METRIC_commit_retries_total, METRIC_SQLSTATE_40001, r.serialization_failure);
    metric_add(METRIC_commit_retries_total, METRIC_SQLSTATE_40P01, r.deadlock);
}

static void run_call(struct call *c, struct arena *a, struct executor *ex)
{
    struct inbound_memory memory = {
        .arena = a, .cap = (size_t)CONFIG_NOW(c->server->config, max_request_memory)};
    struct rpc_context x = {.app = c->server->app,
                            .arena = a,
                            .pg = ex != NULL ? ex->pg : NULL,
                            .reader = ex != NULL ? ex->reader : NULL,
                            .redis = ex != NULL ? ex->redis : NULL,
                            .deadline_ns = c->deadline_ns,
                            .method = c->method->name,
                            .peer = peer_of(c, a),
                            .caller = c->caller,
                            .call = c,
                            .pbc = inbound_allocator(&memory)};
    ProtobufCMessage *request = NULL;
    struct err e = {.code = ERR_NONE};
    int rc = 0;
    LOG_SCOPE(scope, LOG_STR("method", c->method->name),
              LOG_STR("traceparent", traceparent_of(&x)));
    if ((ex != NULL && require_ready(c, &x, &e) < 0) ||
        unpack_request(c, &memory, &request, &e) < 0)
        rc = -1;
    forget_request(c);
    memory.cap = SIZE_MAX; /* from here on it is the handler's */
    if (rc == 0) {
        rc = run_logged(c, &x, request, &e);
    } else {
        tell_timeout(c, &e);
        log_failure(c, &x, &e);
    }
    if (ex != NULL)
        count_retries(ex->pg);
    if (rc < 0) {
        pthread_mutex_lock(&c->lock);
        call_set_status(c, &e, NULL);
        pthread_mutex_unlock(&c->lock);
    }
    call_step(c, CALL_DONE, true);
}

void call_run_inline(struct call *c)
{
    struct arena *a = cq_arena(c->cq);
    run_call(c, a, NULL);
    arena_reset(a);
}

void call_run_job(struct job *j, struct executor *x)
{
    struct call *c = (struct call *)((char *)j - offsetof(struct call, job));
    run_call(c, x->arena, x);
    call_job_done(c);
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
