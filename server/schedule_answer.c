/* schedule_answer.c - a round -> the answer of ScheduleScalingGroup. */
#include "server/schedule_answer.h"

#include <inttypes.h>

#include "server/answer.h"
#include "server/convert.h"

enum { MAX_DECISIONS = 1000 };

Berth__V1__ScheduleScalingGroupRequest
schedule_canonical(const Berth__V1__ScheduleScalingGroupRequest *q)
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

int schedule_answer(void *ctx, const struct round_report *r, struct arena *a, uint8_t **ret,
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
