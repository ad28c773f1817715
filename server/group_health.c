/* group_health.c - the verdict about a scaling group. */
#include "server/group_health.h"

#include "repo/group_watch.h"
#include "scheduler/snapshot_build.h"
#include "server/loop.h"
#include "server/round_service.h"

enum { OTHER_REASONS = 3 }; /* policy, agents, loop */

static void add_reason(struct group_verdict *v, enum group_health health, const char *why)
{
    v->reasons[v->n_reasons++] = why;
    if (v->health < health)
        v->health = health;
}

/* Whether a round could begin: the policy is resolved for a group without sessions and agents. */
static const char *policy_problem(const struct round_service *rounds,
                                  const struct scaling_group_info *g, struct arena *a)
{
    struct err why = {.code = ERR_NONE};
    struct policy *policy;
    struct snapshot_builder *b = builder_create(a);
    const struct snapshot head = {
        .group_name = g->name,
        .scheduler = g->scheduler,
        .strategy = g->strategy,
        .bad_options = g->bad_options,
    };
    builder_group(b, &head);
    for (uint32_t i = 0; i < g->n_options; i++)
        builder_option(b, g->options[i].key, g->options[i].value);
    if (round_service_policy(rounds, builder_finish(b), a, &policy, &why) == 0)
        return NULL;
    return arena_strdup(a, why.message);
}

static void judge_options(struct group_verdict *v, const struct scaling_group_info *g,
                          struct arena *a)
{
    for (uint32_t i = 0; i < g->n_options; i++) {
        const char *why = group_option_problem(g->options[i].key, g->options[i].value, a);
        if (why != NULL)
            add_reason(v, GROUP_DEGRADED, why);
    }
}

void group_health_judge(const struct round_service *rounds, struct loop *loop,
                        const struct scaling_group_info *g, struct arena *a,
                        struct group_verdict *ret)
{
    const char *problem = policy_problem(rounds, g, a);
    const char *failure = problem == NULL ? loop_failure(loop, g->name, a) : NULL;
    *ret = (struct group_verdict){
        .health = GROUP_HEALTHY,
        .reasons = arena_new(a, const char *, g->n_problems + g->n_options + OTHER_REASONS),
    };
    if (problem != NULL)
        add_reason(ret, GROUP_FAILING, problem);
    if (failure != NULL)
        add_reason(ret, GROUP_FAILING, failure);
    for (uint32_t i = 0; i < g->n_problems; i++)
        add_reason(ret, GROUP_DEGRADED, g->problems[i]);
    judge_options(ret, g, a);
    if (g->agents_schedulable == 0)
        add_reason(ret, GROUP_DEGRADED,
                   g->agents_total == 0
                       ? "The group has no agents."
                       : "None of the group's agents is both alive and schedulable.");
}
