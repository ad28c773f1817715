/* rpc_schedule_scaling_group.c - ScheduleScalingGroup. */
#include <inttypes.h>
#include <stdio.h>

#include <berth/v1/scheduler.pb-c.h>

#include "server/answer.h"
#include "server/app.h"
#include "server/convert.h"
#include "server/round_service.h"
#include "server/rpc.h"

enum { MAX_DECISIONS = 1000 };

/* The request with its defaults written out; request_id is the key's. */
static Berth__V1__ScheduleScalingGroupRequest
canonical_of(const Berth__V1__ScheduleScalingGroupRequest *q)
{
    Berth__V1__ScheduleScalingGroupRequest m = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    m.scaling_group = q->scaling_group;
    m.max_sessions = q->max_sessions;
    m.validate_only = q->validate_only;
    m.view = q->view != BERTH__V1__ROUND_VIEW__ROUND_VIEW_UNSPECIFIED
                 ? q->view
                 : BERTH__V1__ROUND_VIEW__ROUND_VIEW_DECISIONS;
    m.max_decisions = q->max_decisions > 0 ? q->max_decisions : MAX_DECISIONS;
    return m;
}

static Berth__V1__Round *round_message(const struct round_report *r, struct arena *a)
{
    Berth__V1__Round *m = message_new(a, Berth__V1__Round, berth__v1__round);
    m->round_id = convert_uuid(&r->round_id, a);
    m->scaling_group = convert_text(r->scaling_group);
    m->epoch = r->epoch;
    m->snapshot_time = convert_time(r->snapshot->observed_at, a);
    m->phases = arena_new(a, Berth__V1__RoundPhase *, N_REPORT_PHASES);
    m->n_phases = N_REPORT_PHASES;
    for (unsigned i = 0; i < N_REPORT_PHASES; i++) {
        m->phases[i] = message_new(a, Berth__V1__RoundPhase, berth__v1__round_phase);
        m->phases[i]->name = convert_text(report_phase_name(i));
        m->phases[i]->duration = convert_duration(r->phase_ns[i], a);
    }
    m->plan_hash = arena_printf(a, "%016" PRIx64, r->plan->hash);
    return m;
}

static int build_answer(void *ctx, const struct round_report *r, struct arena *a, uint8_t **ret,
                        size_t *ret_len, struct err *e)
{
    const Berth__V1__ScheduleScalingGroupRequest *q = ctx; /* canonical */
    Berth__V1__ScheduleScalingGroupResponse m = BERTH__V1__SCHEDULE_SCALING_GROUP_RESPONSE__INIT;
    (void)e;
    m.round = round_message(r, a);
    m.counts = convert_counts(r->plan->counts, a);
    if (q->view == BERTH__V1__ROUND_VIEW__ROUND_VIEW_DECISIONS) {
        m.decisions = convert_decisions(r->snapshot, r->plan, q->max_decisions, a, &m.n_decisions);
        m.decisions_truncated = r->plan->n_decisions > q->max_decisions;
    }
    answer_pack(&m.base, a, ret, ret_len);
    return 0;
}

static bool stopped(void *ctx)
{
    return rpc_stopped(ctx);
}

int rpc_schedule_scaling_group(struct rpc_context *c, const void *request, void **response,
                               struct err *e)
{
    Berth__V1__ScheduleScalingGroupRequest q = canonical_of(request);
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
        .answer = build_answer,
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
