/* call_check.h - holds answers, as the client reads them, to what is true of every one. */
#ifndef BERTH_TESTS_FUZZ_CALL_CHECK_H
#define BERTH_TESTS_FUZZ_CALL_CHECK_H

#include <berth/v1/scheduler.pb-c.h>

#include "scheduler/plan.h"

/* The answer to q (canonical) tells the plan: as many decisions as asked for, in its order; the
 * counts are of all sessions; what is placed has an agent and amounts for each kernel, what is not
 * has a cause with a sentence. */
void call_check_round(const struct snapshot *s, const Berth__V1__ScheduleScalingGroupRequest *q,
                      const struct plan *p, const Berth__V1__ScheduleScalingGroupResponse *m);
/* What fits has a place for each kernel, what does not has a cause. */
void call_check_preview(const struct snapshot *s, const struct session *session,
                        const Berth__V1__PreviewAllocationResponse *m);

#endif
