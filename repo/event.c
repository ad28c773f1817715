/* event.c - rows of berth.events. */
#include "repo/event.h"

#include "repo/event_append.h"
#include "repo/json_text.h"
#include "repo/pg_query.h"

/* Columns of events as arrays, for unnest(). */
struct event_columns {
    int32_t *type;
    struct uuid *session;
    const char **creation, **from, **to, **reason, **allocations, **causes;
};

static void columns_fill(struct event_columns *c, const struct event *events, uint32_t n,
                         struct arena *a)
{
    *c = (struct event_columns){
        .type = arena_new(a, int32_t, n),
        .session = arena_new(a, struct uuid, n),
        .creation = arena_new(a, const char *, n),
        .from = arena_new(a, const char *, n),
        .to = arena_new(a, const char *, n),
        .reason = arena_new(a, const char *, n),
        .allocations = arena_new(a, const char *, n),
        .causes = arena_new(a, const char *, n),
    };
    for (uint32_t i = 0; i < n; i++) {
        const struct event *v = &events[i];
        c->type[i] = (int32_t)v->type;
        c->session[i] = v->session_id;
        c->creation[i] = v->creation_id != NULL ? v->creation_id : "";
        c->from[i] = v->from_status != NULL ? v->from_status : "";
        c->to[i] = v->to_status != NULL ? v->to_status : "";
        c->reason[i] = v->reason != NULL ? text_utf8(a, v->reason) : "";
        if (v->n_allocations > 0)
            c->allocations[i] = event_allocations_json(v->allocations, v->n_allocations, a);
        if (v->n_causes > 0)
            c->causes[i] = event_causes_json(v->causes, v->n_causes, a);
    }
}

/* An all-zero session is none. */
static const char sql_append[] =
    "INSERT INTO berth.events (scaling_group_id, sequence, type, epoch, session_id, round_id, "
    "created_at, creation_id, from_status, to_status, reason, allocations, causes) "
    "SELECT $1, $2 + u.ord - 1, u.type, $3, "
    "nullif(u.session_id, '00000000-0000-0000-0000-000000000000'::uuid), $4, $13, "
    "u.creation_id, u.from_status, u.to_status, u.reason, u.allocations, u.causes "
    "FROM unnest($5::int4[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], "
    "$11::jsonb[], $12::jsonb[]) WITH ORDINALITY "
    "AS u(type, session_id, creation_id, from_status, to_status, reason, allocations, causes, ord)";

int event_append(struct txn *t, const struct uuid *group_id, int64_t first, struct event *events,
                 uint32_t n, struct arena *a, struct err *e)
{
    if (n == 0)
        return 0;
    struct event_columns c;
    columns_fill(&c, events, n, a);
    const struct pg_param p[] = {
        param_uuid(group_id),
        param_int8(first),
        param_int8(events[0].epoch),
        param_uuid(events[0].has_round ? &events[0].round_id : NULL),
        param_array_int4(a, c.type, n),
        param_array_uuid(a, c.session, n),
        param_array_text(a, c.creation, n),
        param_array_text(a, c.from, n),
        param_array_text(a, c.to, n),
        param_array_text(a, c.reason, n),
        param_array_jsonb(a, c.allocations, n),
        param_array_jsonb(a, c.causes, n),
        param_time(events[0].time),
    };
    if (pg_exec(t, sql_append, p, ARRAY_SIZE(p), NULL, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        events[i].sequence = first + i;
    return 0;
}

enum event_column {
    COL_SEQUENCE,
    COL_TYPE,
    COL_EPOCH,
    COL_SESSION,
    COL_ROUND,
    COL_TIME,
    COL_CREATION,
    COL_FROM,
    COL_TO,
    COL_REASON,
    COL_ALLOCATIONS,
    COL_CAUSES
};

static const char sql_list[] =
    "SELECT e.sequence, e.type, e.epoch, e.session_id, e.round_id, e.created_at, e.creation_id, "
    "e.from_status, e.to_status, e.reason, e.allocations, e.causes "
    "FROM berth.events e JOIN scaling_groups g ON g.id = e.scaling_group_id "
    "WHERE g.name = $1 AND e.sequence > $2 ORDER BY e.sequence LIMIT $3";

static int event_from_row(const struct pg_rows *r, uint32_t i, struct arena *a, struct event *ret,
                          struct err *e)
{
    struct event_allocation *allocations = NULL;
    struct event_cause *causes = NULL;
    uint32_t n_allocations = 0, n_causes = 0;
    if (!rows_is_null(r, i, COL_ALLOCATIONS) &&
        event_allocations_parse(rows_text(r, i, COL_ALLOCATIONS), a, &allocations, &n_allocations,
                                e) < 0)
        return -1;
    if (!rows_is_null(r, i, COL_CAUSES) &&
        event_causes_parse(rows_text(r, i, COL_CAUSES), a, &causes, &n_causes, e) < 0)
        return -1;
    int64_t type = rows_int(r, i, COL_TYPE);
    *ret = (struct event){
        .sequence = rows_int(r, i, COL_SEQUENCE),
        .type = (uint64_t)type < N_EVENT_TYPES ? (enum event_type)type : EVENT_NONE,
        .epoch = rows_int(r, i, COL_EPOCH),
        .has_session = !rows_is_null(r, i, COL_SESSION),
        .session_id = rows_uuid(r, i, COL_SESSION),
        .has_round = !rows_is_null(r, i, COL_ROUND),
        .round_id = rows_uuid(r, i, COL_ROUND),
        .time = rows_time(r, i, COL_TIME),
        .creation_id = arena_strdup(a, rows_text(r, i, COL_CREATION)),
        .from_status = arena_strdup(a, rows_text(r, i, COL_FROM)),
        .to_status = arena_strdup(a, rows_text(r, i, COL_TO)),
        .reason = arena_strdup(a, rows_text(r, i, COL_REASON)),
        .allocations = allocations,
        .n_allocations = n_allocations,
        .causes = causes,
        .n_causes = n_causes,
    };
    return 0;
}

int event_list(struct txn *t, const char *scaling_group, int64_t after, uint32_t max,
               struct arena *a, struct event **ret, uint32_t *ret_n, struct err *e)
{
    const struct pg_param p[] = {param_text(scaling_group), param_int8(after), param_int8(max)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_list, "iiiuustttttt", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    uint32_t n = rows_count(r);
    struct event *events = arena_new(a, struct event, n);
    const char *name = arena_strdup(a, scaling_group);
    for (uint32_t i = 0; i < n; i++) {
        if (event_from_row(r, i, a, &events[i], e) < 0)
            return -1;
        events[i].scaling_group = name;
    }
    *ret = events;
    *ret_n = n;
    return 0;
}

/* $2: only those named in $1. A named group that never had an event has an empty log. */
static const char sql_bounds[] =
    "SELECT g.name, coalesce(s.last_sequence, 0), "
    "(SELECT min(e.sequence) FROM berth.events e WHERE e.scaling_group_id = g.id) "
    "FROM scaling_groups g LEFT JOIN berth.group_state s ON s.scaling_group_id = g.id "
    "WHERE CASE WHEN $2 THEN g.name = ANY($1::text[]) ELSE s.scaling_group_id IS NOT NULL END "
    "ORDER BY g.name COLLATE \"C\"";

int event_bounds_list(struct txn *t, const char *const *names, uint32_t n, struct arena *a,
                      struct event_bounds **ret, uint32_t *ret_n, struct err *e)
{
    const struct pg_param p[] = {param_array_text(a, names, n), param_bool(names != NULL)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_bounds, "tii", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    uint32_t n_rows = rows_count(r);
    struct event_bounds *bounds = arena_new(a, struct event_bounds, n_rows);
    for (uint32_t i = 0; i < n_rows; i++) {
        int64_t last = rows_int(r, i, 1);
        bounds[i] = (struct event_bounds){
            .scaling_group = arena_strdup(a, rows_text(r, i, 0)),
            .oldest = rows_is_null(r, i, 2) ? last + 1 : rows_int(r, i, 2),
            .last = last,
        };
    }
    *ret = bounds;
    *ret_n = n_rows;
    return 0;
}

int event_clock(struct txn *t, int64_t *ret, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, "SELECT clock_timestamp()", "s", NULL, 0, &r, e) < 0)
        return -1;
    *ret = rows_time(r, 0, 0);
    return 0;
}
