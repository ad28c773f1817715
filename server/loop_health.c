/* loop_health.c - changes of a group's health, put into its event log by whichever replica sees
 * one.
 *
 * The group's row knows what was told last, so the same news twice is one event; this replica
 * remembers what it told, so that a group that is well and stays so costs nothing. What another
 * replica told, and may not live to take back, the watch sees in the group's row. */
#include "repo/scaling_group.h"
#include "server/clock.h"
#include "server/group_health.h"
#include "server/hub.h"
#include "server/log.h"
#include "server/loop_internal.h"
#include "server/metrics.h"

enum { TELL_MS = 1000 }; /* at most, to look and to tell */

static bool is_news(const struct loop_run *run, enum loop_end end)
{
    const struct loop_told *told = &run->group->told;
    if (end == LOOP_END_DONE)
        return !told->any || !told->is_well || told->key != run->seen.key || run->seen.is_unwell;
    return end == LOOP_END_FAILED && run->is_known;
}

static int load(struct loop_run *run, struct executor *x, struct scaling_group_info **ret,
                uint32_t *ret_n, struct err *e)
{
    const char *names[] = {run->group->name};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(x->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        scaling_group_list(t, names, 1, NULL, 1, x->arena, ret, ret_n, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

static const char *sentence_of(const struct group_verdict *v, struct arena *a)
{
    const char *all = "";
    for (uint32_t i = 0; i < v->n_reasons; i++)
        all = arena_printf(a, "%s%s%s", all, i > 0 ? " " : "", v->reasons[i]);
    return all;
}

static int tell(struct loop_run *run, const struct scaling_group_info *info, struct executor *x,
                struct err *e)
{
    struct loop *l = run->loop;
    struct group_verdict v;
    struct event *events;
    uint32_t n;
    group_health_judge(l->rounds, l, info, x->arena, &v);
    const struct event_group_health h = {
        .scaling_group = info->name,
        .health = v.health,
        .reason = sentence_of(&v, x->arena),
    };
    if (event_append_group_health(x->pg, &h, x->arena, &events, &n, e) < 0)
        return -1;
    hub_publish(l->hub, events, n);
    metrics_group_health(info->name, v.health);
    run->group->told =
        (struct loop_told){.any = true, .is_well = v.health == GROUP_HEALTHY, .key = run->seen.key};
    return 0;
}

void loop_tell_health(struct loop_run *run, enum loop_end end, struct executor *x)
{
    struct err e = {.code = ERR_NONE};
    struct scaling_group_info *info;
    uint32_t n = 0;
    if (!is_news(run, end))
        return;
    pg_deadline(x->pg, clock_ns() + TELL_MS * NS_PER_MS);
    if (atomic_load(&run->job.cancelled) || atomic_load(&run->loop->drains))
        return;
    if (load(run, x, &info, &n, &e) == 0 && (n == 0 || tell(run, info, x, &e) == 0))
        return;
    run->untold = true;
    log_err(LOG_DEBUG, "a group's health was not told; the next round tells it", &e,
            LOG_FIELDS(LOG_STR("group", run->group->name)));
}
