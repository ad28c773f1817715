/* group_health.h - what is wrong with a scaling group, as far as its rows tell: for
 * ListScalingGroups and for the loop, which puts changes into the event log. */
#ifndef BERTH_SERVER_GROUP_HEALTH_H
#define BERTH_SERVER_GROUP_HEALTH_H

#include "repo/event.h"
#include "repo/scaling_group.h"

struct loop;
struct round_service;

struct group_verdict {
    enum group_health health; /* the worst of the reasons */
    const char **reasons;     /* sentences; figures that move by themselves are in none */
    uint32_t n_reasons;
};

/* loop: its failures count too; NULL: there is none. In the arena. */
void group_health_judge(const struct round_service *rounds, struct loop *loop,
                        const struct scaling_group_info *g, struct arena *a,
                        struct group_verdict *ret);

#endif
