/* rpc_list_scaling_groups.c - ListScalingGroups: configuration, load, last round, health. */
#include <string.h>

#include <berth/v1/scheduler.pb-c.h>

#include "repo/lease.h"
#include "repo/scaling_group.h"
#include "server/app.h"
#include "server/convert.h"
#include "server/group_health.h"
#include "server/page_token.h"
#include "server/rpc.h"

enum { NAMES_MAX = 1000 }; /* limits.def */

/* Those asked for, else those of the caller, else all. */
static int load(struct rpc_context *c, const Berth__V1__ListScalingGroupsRequest *q,
                const char *after, uint32_t max, struct scaling_group_info **ret, uint32_t *ret_n,
                struct err *e)
{
    uint32_t n = 0;
    const char *const *names = rpc_groups(c, &n);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (q->n_scaling_groups > 0) {
        names = (const char *const *)q->scaling_groups;
        n = (uint32_t)q->n_scaling_groups;
    }
    if (txn_begin(c->reader, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        scaling_group_list(t, names, n, after, max, c->arena, ret, ret_n, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

/* A name asked for that no group has is an error, not an empty place. */
static int check_names(const Berth__V1__ListScalingGroupsRequest *q,
                       const struct scaling_group_info *groups, uint32_t n, struct err *e)
{
    for (size_t i = 0; i < q->n_scaling_groups; i++) {
        uint32_t g = 0;
        while (g < n && strcmp(groups[g].name, q->scaling_groups[i]) != 0)
            g++;
        if (g == n) {
            err_set(e, ERR_NOT_FOUND, "UNKNOWN_SCALING_GROUP", "there is no scaling group \"%s\"",
                    q->scaling_groups[i]);
            return err_meta(e, "scaling_group", "%s", q->scaling_groups[i]);
        }
    }
    return 0;
}

/* --- health ------------------------------------------------------------------------------------
 */

static const Berth__V1__GroupHealth wire_health[N_GROUP_HEALTHS] = {
    [GROUP_HEALTH_UNKNOWN] = BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_UNSPECIFIED,
    [GROUP_HEALTHY] = BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_HEALTHY,
    [GROUP_DEGRADED] = BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_DEGRADED,
    [GROUP_FAILING] = BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_FAILING,
};

static void judge(struct rpc_context *c, const struct scaling_group_info *g,
                  Berth__V1__ScalingGroup *m)
{
    struct group_verdict v;
    group_health_judge(c->app->rounds, c->app->loop, g, c->arena, &v);
    m->health = wire_health[v.health];
    m->n_health_reasons = v.n_reasons;
    m->health_reasons = arena_new(c->arena, char *, v.n_reasons + 1);
    for (uint32_t i = 0; i < v.n_reasons; i++)
        m->health_reasons[i] = convert_text(v.reasons[i]);
}

/* --- messages ----------------------------------------------------------------------------------
 */

static Berth__V1__LastRound *last_round(const struct scaling_group_info *g, struct arena *a)
{
    if (!g->has_round)
        return NULL;
    Berth__V1__LastRound *m = message_new(a, Berth__V1__LastRound, berth__v1__last_round);
    m->round_id = convert_uuid(&g->round_id, a);
    m->start_time = convert_time(g->round_start, a);
    m->duration = convert_duration(g->round_us * 1000, a);
    m->counts = convert_counts(g->counts, a);
    return m;
}

/* *redis_away: it failed once, so the rest of the page is not asked for. */
static char *holder_of(struct rpc_context *c, const char *group, bool *redis_away)
{
    char holder[LEASE_TEXT];
    struct err ignored = {.code = ERR_NONE};
    if (*redis_away || lease_holder(c->redis, group, holder, &ignored) < 0) {
        *redis_away = true;
        return convert_text("");
    }
    return arena_strdup(c->arena, holder);
}

static Berth__V1__ScalingGroup *group_message(struct rpc_context *c,
                                              const struct scaling_group_info *g, bool *redis_away)
{
    Berth__V1__ScalingGroup *m =
        message_new(c->arena, Berth__V1__ScalingGroup, berth__v1__scaling_group);
    m->name = convert_text(g->name);
    m->is_active = g->is_active;
    m->scheduler = convert_text(g->scheduler);
    m->strategy = convert_text(g->strategy);
    m->agents_schedulable = g->agents_schedulable;
    m->agents_total = g->agents_total;
    m->pending_sessions = g->pending;
    m->live_sessions = g->live;
    m->epoch = g->epoch;
    m->lease_holder = holder_of(c, g->name, redis_away);
    m->last_round = last_round(g, c->arena);
    judge(c, g, m);
    return m;
}

/* groups: those after the token, one more than a page if there are more. */
static Berth__V1__ListScalingGroupsResponse *answer(struct rpc_context *c, uint64_t scope,
                                                    uint32_t size,
                                                    const struct scaling_group_info *groups,
                                                    uint32_t n)
{
    Berth__V1__ListScalingGroupsResponse *m = message_new(
        c->arena, Berth__V1__ListScalingGroupsResponse, berth__v1__list_scaling_groups_response);
    uint32_t n_page = n < size ? n : size;
    bool redis_away = false;
    m->scaling_groups = arena_new(c->arena, Berth__V1__ScalingGroup *, n_page + 1);
    m->n_scaling_groups = n_page;
    for (uint32_t i = 0; i < n_page; i++)
        m->scaling_groups[i] = group_message(c, &groups[i], &redis_away);
    if (n > n_page) {
        const struct page_token next = {.before = &groups[n_page - 1].name, .n_before = 1};
        m->next_page_token = page_token_encode(scope, &next, c->arena);
    }
    return m;
}

int rpc_list_scaling_groups(struct rpc_context *c, const void *request, void **response,
                            struct err *e)
{
    const Berth__V1__ListScalingGroupsRequest *q = request;
    Berth__V1__ListScalingGroupsRequest scoped = *q;
    scoped.page_size = 0;
    scoped.page_token = convert_text("");
    uint64_t scope = page_scope(&scoped.base, c->arena);
    uint32_t size = q->page_size > 0 ? q->page_size : PAGE_SIZE_DEFAULT, n = 0;
    struct page_token token;
    struct scaling_group_info *groups;
    if (page_token_decode(q->page_token, scope, c->arena, &token, e) < 0)
        return -1;
    for (size_t i = 0; i < q->n_scaling_groups; i++) {
        if (rpc_require_group(c, q->scaling_groups[i], e) < 0)
            return -1;
    }
    const char *after = token.n_before > 0 ? token.before[0] : NULL;
    if (q->n_scaling_groups > 0 && after == NULL) {
        if (load(c, q, NULL, NAMES_MAX, &groups, &n, e) < 0 || check_names(q, groups, n, e) < 0)
            return -1;
        *response = answer(c, scope, size, groups, n);
        return 0;
    }
    if (load(c, q, after, size + 1, &groups, &n, e) < 0)
        return -1;
    *response = answer(c, scope, size, groups, n);
    return 0;
}
