/* schedule_answer.h - a round -> the answer of ScheduleScalingGroup. */
#ifndef BERTH_SERVER_SCHEDULE_ANSWER_H
#define BERTH_SERVER_SCHEDULE_ANSWER_H

#include <berth/v1/scheduler.pb-c.h>

#include "server/round_service.h"

/* The request with its defaults written out and without its request_id; texts are lent. */
Berth__V1__ScheduleScalingGroupRequest
schedule_canonical(const Berth__V1__ScheduleScalingGroupRequest *q);

/* A round_answer_f; ctx: the canonical request. */
int schedule_answer(void *ctx, const struct round_report *r, struct arena *a, uint8_t **ret,
                    size_t *ret_len, struct err *e) MUST_CHECK;

#endif
