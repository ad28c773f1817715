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

static int cancel_now(struct rpc_context *c, const struct cancel_input *in, struct cancel *cancel,
                      struct err *e)
{
    struct cancel_result done = {.events = NULL};
    if (session_cancel(c->pg, in, c->arena, &done, e) < 0)
        return -1;
    for (uint32_t i = 0; i < done.n_events; i++)
        snapshot_share_stale(c->app->snapshots, done.events[i].scaling_group);
    hub_publish(c->app->hub, done.events, done.n_events);
    for (uint32_t i = 0; i < done.n_events; i++)
        loop_hint(c->app->loop, done.events[i].scaling_group);
    bridge_wake(c->app->bridge);
    round_service_mirror(c->redis, done.owners, done.n_owners);
    /* Without a request id nothing was stored. */
    return cancel->answer != NULL
               ? 0
               : build_answer(cancel, &done, c->arena, &cancel->answer, &cancel->answer_len, e);
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
    return err_set(e, ERR_DENIED, "GROUP_FORBIDDEN",
                   "the session is in a scaling group that is not one of yours");
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
