/* rpc_schedule_scaling_group.c - ScheduleScalingGroup. */
#include "server/answer.h"
#include "server/app.h"
#include "server/rpc.h"
#include "server/schedule_answer.h"

static bool stopped(void *ctx)
{
    return rpc_stopped(ctx);
}

int rpc_schedule_scaling_group(struct rpc_context *c, const void *request, void **response,
                               struct err *e)
{
    Berth__V1__ScheduleScalingGroupRequest q = schedule_canonical(request);
    const char *id = ((const Berth__V1__ScheduleScalingGroupRequest *)request)->request_id;
    const struct worker worker = {.pg = c->pg, .redis = c->redis, .arena = c->arena};
    const struct round_input in = {
        .scaling_group = q.scaling_group,
        .max_sessions = q.max_sessions,
        .validate_only = q.validate_only,
        .request = answer_key(id, c->method, &q.base, c->arena),
        .deadline_ns = c->deadline_ns,
        .stopped = stopped,
        .stopped_ctx = c,
        .answer = schedule_answer,
        .answer_ctx = &q,
    };
    uint8_t *answer;
    (void)response; /* the answer is packed already */
    if (rpc_require_group(c, q.scaling_group, e) < 0)
        return -1;
    if (round_service_run(c->app->rounds, &worker, &in, &answer, &c->n_packed, e) < 0)
        return -1;
    c->packed = answer;
    c->effect = q.validate_only ? NULL : q.scaling_group;
    return 0;
}
