/* rpc_cancel_session.c - CancelSession. */
#include <berth/v1/scheduler.pb-c.h>

#include "repo/session.h"
#include "server/answer.h"
#include "server/app.h"
#include "server/bridge.h"
#include "server/caller.h"
#include "server/convert.h"
#include "server/hub.h"
#include "server/loop.h"
#include "server/round_service.h"
#include "server/rpc.h"
#include "server/snapshot_share.h"

static const char default_reason[] = "user-requested";

struct cancel {
    const struct uuid *session_id;
    struct arena *arena; /* the call's: the answer outlives the transaction */
    uint8_t *answer;     /* as built last */
    size_t answer_len;
};

/* cancel_input.answer: the answer, for both the caller and the store. */
static int build_answer(void *ctx, const struct cancel_result *r, struct arena *scratch,
                        uint8_t **ret, size_t *ret_len, struct err *e)
{
    struct cancel *cancel = ctx;
    struct arena *a = cancel->arena;
    Berth__V1__CancelSessionResponse m = BERTH__V1__CANCEL_SESSION_RESPONSE__INIT;
    (void)scratch;
    (void)e;
    m.session_id = convert_uuid(cancel->session_id, a);
    m.previous_status = convert_text(r->previous_status);
    m.status = convert_text(r->status);
    m.already_terminal = r->already_terminal;
    m.released = convert_event_slots(r->released, r->n_released, a, &m.n_released);
    answer_pack(&m.base, a, &cancel->answer, &cancel->answer_len);
    *ret = cancel->answer;
    *ret_len = cancel->answer_len;
    return 0;
}

static struct request_key key_of(const Berth__V1__CancelSessionRequest *q, const struct uuid *id,
                                 const char *reason, struct rpc_context *c)
{
    Berth__V1__CancelSessionRequest canonical = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    canonical.session_id = convert_uuid(id, c->arena);
    canonical.reason = convert_text(reason);
    return answer_key(q->request_id, c->method, &canonical.base, c->arena);
}

/* Everybody who wants to know of it, after the transaction. */
static void tell_all(struct rpc_context *c, const struct cancel_result *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < v[i].n_events; k++)
            snapshot_share_stale(c->app->snapshots, v[i].events[k].scaling_group);
        hub_publish(c->app->hub, v[i].events, v[i].n_events);
        for (uint32_t k = 0; k < v[i].n_events; k++)
            loop_hint(c->app->loop, v[i].events[k].scaling_group);
        round_service_mirror(c->redis, v[i].owners, v[i].n_owners);
    }
    bridge_wake(c->app->bridge);
}

static int cancel_now(struct rpc_context *c, const struct cancel_input *in, struct cancel *cancel,
                      struct err *e)
{
    struct cancel_result done = {.events = NULL};
    if (session_cancel(c->pg, in, c->arena, &done, e) < 0)
        return -1;
    tell_all(c, &done, 1);
    /* Without a request id nothing was stored. */
    return cancel->answer != NULL
               ? 0
               : build_answer(cancel, &done, c->arena, &cancel->answer, &cancel->answer_len, e);
}

static int forbid(struct err *e)
{
    return err_set(e, ERR_DENIED, "GROUP_FORBIDDEN",
                   "the session is in a scaling group that is not one of yours");
}

/* The session's group decides, before anything is done and before a stored answer is given. */
static int require_group_of(struct rpc_context *c, const struct uuid *id, struct err *e)
{
    uint32_t unused;
    struct session_place place;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (rpc_groups(c, &unused) == NULL)
        return 0;
    if (txn_begin(c->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        session_find(t, id, c->arena, &place, e) < 0 || txn_commit(&t, e) < 0)
        return -1;
    if (caller_has_group(c->caller, place.scaling_group))
        return 0;
    return forbid(e);
}

int rpc_cancel_session(struct rpc_context *c, const void *request, void **response, struct err *e)
{
    const Berth__V1__CancelSessionRequest *q = request;
    struct uuid id;
    (void)response; /* the answer is packed already */
    if (!uuid_parse(q->session_id, &id))
        return err_field(e, "session_id", "session_id is not a UUID");
    struct cancel cancel = {.session_id = &id, .arena = c->arena};
    const char *reason = q->reason[0] != '\0' ? q->reason : default_reason;
    const struct cancel_input in = {
        .session_id = id,
        .reason = reason,
        .request = key_of(q, &id, reason, c),
        .answer = build_answer,
        .answer_ctx = &cancel,
    };
    if (require_group_of(c, &id, e) < 0)
        return -1;
    if (answer_find(c->pg, &in.request, c->arena, &cancel.answer, &cancel.answer_len, e) < 0)
        return -1;
    if (cancel.answer == NULL && cancel_now(c, &in, &cancel, e) < 0 &&
        !answer_after_race(c->pg, &in.request, c->arena, &cancel.answer, &cancel.answer_len, e))
        return -1;
    c->packed = cancel.answer;
    c->n_packed = cancel.answer_len;
    c->effect = q->session_id;
    return 0;
}

/* --- many at a time --- */

enum { NOT_YET = 1 }; /* rc of a call that was not done with others */

struct one { /* of many */
    struct rpc_one *call;
    struct uuid id;
    struct cancel_input in;
};

/* Only those without a request id: whether an answer is stored is asked one by one. And of calls
 * for the same session the first: the others find what it did. */
static uint32_t pick(struct rpc_one *v, uint32_t n, struct one *ret)
{
    uint32_t n_picked = 0;
    for (uint32_t i = 0; i < n; i++) {
        const Berth__V1__CancelSessionRequest *q = v[i].request;
        struct one *o = &ret[n_picked];
        bool again = false;
        v[i].rc = NOT_YET;
        if (q->request_id[0] != '\0' || !uuid_parse(q->session_id, &o->id))
            continue;
        for (uint32_t k = 0; k < n_picked; k++)
            again = again || uuid_compare(&ret[k].id, &o->id) == 0;
        if (again)
            continue;
        o->call = &v[i];
        n_picked++;
    }
    return n_picked;
}

static bool may_cancel(const void *ctx, const char *scaling_group)
{
    return caller_has_group(ctx, scaling_group);
}

static void set_result(struct one *o, const struct cancel_result *r)
{
    struct rpc_context *c = o->call->context;
    struct cancel cancel = {.session_id = &o->id, .arena = c->arena};
    uint32_t unused;
    (void)rpc_groups(c, &unused); /* asked by may_cancel() */
    if (r->unknown || r->forbidden) {
        o->call->rc = r->unknown ? session_unknown(&o->call->err, &o->id) : forbid(&o->call->err);
        return;
    }
    o->call->rc =
        build_answer(&cancel, r, c->arena, &cancel.answer, &cancel.answer_len, &o->call->err);
    c->packed = cancel.answer;
    c->n_packed = cancel.answer_len;
    c->effect = ((const Berth__V1__CancelSessionRequest *)o->call->request)->session_id;
}

/* False: nothing was done. */
static bool cancel_together(struct one *v, uint32_t n)
{
    struct rpc_context *c = v[0].call->context;
    struct cancel_result *done = arena_new(c->arena, struct cancel_result, n);
    const struct cancel_input **in = arena_new(c->arena, const struct cancel_input *, n);
    struct err e = {.code = ERR_NONE};
    for (uint32_t i = 0; i < n; i++) {
        const Berth__V1__CancelSessionRequest *q = v[i].call->request;
        v[i].in = (struct cancel_input){
            .session_id = v[i].id,
            .reason = q->reason[0] != '\0' ? q->reason : default_reason,
            .permit = may_cancel,
            .permit_ctx = v[i].call->context->caller,
        };
        in[i] = &v[i].in;
    }
    if (session_cancel_many(c->pg, in, n, c->arena, done, &e) < 0)
        return false;
    tell_all(c, done, n);
    for (uint32_t i = 0; i < n; i++)
        set_result(&v[i], &done[i]);
    return true;
}

static void cancel_alone(struct rpc_one *o)
{
    struct rpc_context *c = o->context;
    pg_deadline(c->pg, c->deadline_ns);
    o->rc = rpc_stopped(c) ? err_set(&o->err, ERR_CANCELLED, "CANCELLED", "the client went away")
                           : rpc_cancel_session(c, o->request, &o->response, &o->err);
}

void rpc_cancel_sessions(struct rpc_one *v, uint32_t n)
{
    struct one *picked = arena_new(v[0].context->arena, struct one, n);
    const uint32_t n_picked = pick(v, n, picked);
    if (n_picked > 1)
        (void)cancel_together(picked, n_picked);
    for (uint32_t i = 0; i < n; i++)
        if (v[i].rc == NOT_YET)
            cancel_alone(&v[i]);
}
