/* event_health.c - GROUP_HEALTH_CHANGED: an event of a group, in a transaction of its own. */
#include "repo/event.h"

#include <string.h>

#include "repo/event_append.h"
#include "repo/group_state.h"
#include "repo/json_text.h"
#include "repo/pg_query.h"

static const char *const health_names[N_GROUP_HEALTHS] = {
    [GROUP_HEALTHY] = "HEALTHY",
    [GROUP_DEGRADED] = "DEGRADED",
    [GROUP_FAILING] = "FAILING",
};

struct health_change {
    const struct event_group_health *in;
    const char *reason;
    struct arena *a;
    struct event *event;
    uint32_t n_events; /* 0 or 1 */
};

static const char sql_known[] =
    "SELECT g.id, coalesce(s.health, 1), coalesce(s.health_reason, '') FROM scaling_groups g "
    "LEFT JOIN berth.group_state s ON s.scaling_group_id = g.id WHERE g.name = $1";

/* Whether the log says something else; *ret_id: the group. */
static int find_difference(struct txn *t, const struct health_change *c, struct uuid *ret_id,
                           bool *ret_differs, struct err *e)
{
    const struct pg_param p[] = {param_text(c->in->scaling_group)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_known, "uit", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) != 1)
        return scaling_group_unknown(e, c->in->scaling_group);
    *ret_id = rows_uuid(r, 0, 0);
    *ret_differs =
        rows_int(r, 0, 1) != (int64_t)c->in->health || strcmp(rows_text(r, 0, 2), c->reason) != 0;
    return 0;
}

static int change_body(struct txn *t, void *ctx, struct err *e)
{
    struct health_change *c = ctx;
    struct group_numbers numbers;
    struct uuid group_id;
    enum group_health before = GROUP_HEALTHY;
    bool differs = false;
    c->n_events = 0;
    if (find_difference(t, c, &group_id, &differs, e) < 0)
        return -1;
    if (!differs)
        return 0;
    if (group_state_set_health(t, &group_id, c->in->health, c->reason, &before, &differs, &numbers,
                               e) < 0)
        return -1;
    if (!differs) /* another replica was faster */
        return 0;
    *c->event = (struct event){
        .scaling_group = arena_strdup(c->a, c->in->scaling_group),
        .type = EVENT_GROUP_HEALTH_CHANGED,
        .creation_id = "",
        .from_status = health_names[before],
        .to_status = health_names[c->in->health],
        .reason = c->reason,
        .epoch = numbers.epoch,
        .time = numbers.now,
    };
    c->n_events = 1;
    return event_append(t, &group_id, numbers.first, c->event, 1, c->a, e);
}

int event_append_group_health(struct pg *pg, const struct event_group_health *in, struct arena *a,
                              struct event **ret, uint32_t *ret_n, struct err *e)
{
    struct health_change c = {
        .in = in,
        .reason = in->reason != NULL ? text_utf8(a, in->reason) : "",
        .a = a,
        .event = arena_new(a, struct event, 1),
    };
    if (txn_run(pg, TXN_WRITE, change_body, &c, e) < 0)
        return -1;
    *ret = c.event;
    *ret_n = c.n_events;
    return 0;
}
