/* call_admit.c - may this call come in: who makes it, is there room, is there such a method. */
#include "server/call.h"

#include <grpc/support/alloc.h>

#include "server/guard.h"
#include "server/log.h"
#include "server/server_private.h"

static bool is_stream(const struct call *c)
{
    return c->method != NULL && c->method->kind != RPC_UNARY;
}

/* Who was refused what, for the operator; a flood of it is counted, not written. */
static void log_refusal(const struct call *c, const struct err *e)
{
    char *peer = grpc_call_get_peer(c->call);
    log_err(LOG_WARN, "call refused", e,
            LOG_FIELDS(LOG_STR("method", c->method != NULL ? c->method->name : ""),
                       LOG_STR("caller", c->caller != NULL ? c->caller->name : ""),
                       LOG_STR("peer", peer)));
    gpr_free(peer);
}

static int enter(struct call *c, struct err *e)
{
    unsigned room = 0;
    if (server_enter(c->server, c->method, &room, e) < 0)
        return -1;
    c->counted = true;
    if (caller_enter(c->caller, is_stream(c), room, e) < 0) {
        atomic_fetch_add(&c->server->n_refused, 1);
        return -1;
    }
    c->caller_counted = true;
    if (c->caller->account != NULL)
        c->job.lane = &c->caller->account->lane;
    return 0;
}

int call_admit(struct call *c, struct err *e)
{
    if (guard_admit(c->server->app->guard, c->call, &c->metadata, c->method, &c->caller, e) < 0) {
        log_refusal(c, e);
        return -1;
    }
    if (enter(c, e) < 0)
        return -1;
    if (c->method != NULL)
        return 0;
    err_set(e, ERR_UNIMPLEMENTED, "UNKNOWN_METHOD", "this server has no such method");
    return err_meta(e, "method", "%.*s", (int)GRPC_SLICE_LENGTH(c->details.method),
                    (const char *)GRPC_SLICE_START_PTR(c->details.method));
}

void call_dismiss(struct call *c)
{
    if (c->caller_counted)
        caller_leave(c->caller, is_stream(c));
    if (c->counted)
        server_leave(c->server, c->method);
    caller_unref(c->caller);
}

/* --- what a handler may ask --- */

int rpc_require_group(struct rpc_context *x, const char *group, struct err *e)
{
    x->group_asked = true;
    if (caller_has_group(x->caller, group))
        return 0;
    err_set(e, ERR_DENIED, "GROUP_FORBIDDEN", "scaling group \"%.64s\" is not one of yours", group);
    return err_meta(e, "scaling_group", "%s", group);
}

const char *const *rpc_groups(struct rpc_context *x, uint32_t *ret_n)
{
    x->group_asked = true;
    *ret_n = x->caller->n_groups;
    return x->caller->groups;
}
