/* scaling_group.c - groups as a list, and their epochs. */
#include "repo/scaling_group.h"

#include <stdlib.h>

#include "repo/db_moment.h"
#include "repo/group_state.h"
#include "repo/pg_query.h"
#include "repo/scheduler_opts.h"
#include "repo/status.h"

struct take_epoch {
    const char *name;
    const struct uuid *round_id;
    int64_t epoch;
};

static int take_epoch_body(struct txn *t, void *ctx, struct err *e)
{
    struct take_epoch *k = ctx;
    if (quiet_declare(t, e) < 0)
        return -1;
    return group_state_take_epoch(t, k->name, k->round_id, &k->epoch, e);
}

int scaling_group_take_epoch(struct pg *c, const char *name, const struct uuid *round_id,
                             int64_t *ret_epoch, struct err *e)
{
    struct take_epoch k = {.name = name, .round_id = round_id};
    if (txn_run(c, TXN_WRITE, take_epoch_body, &k, e) < 0)
        return -1;
    *ret_epoch = k.epoch;
    return 0;
}

static const char sql_round_age[] =
    "SELECT (extract(epoch FROM clock_timestamp() - s.round_started_at) * 1000000)::int8 "
    "FROM scaling_groups g JOIN berth.group_state s ON s.scaling_group_id = g.id "
    "WHERE g.name = $1 AND s.round_started_at IS NOT NULL";

int scaling_group_round_age(struct pg *c, const char *name, int64_t *ret_us, struct err *e)
{
    const struct pg_param p[] = {param_text(name)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(c, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        pg_query(t, sql_round_age, "i", p, ARRAY_SIZE(p), &r, e) < 0 || txn_commit(&t, e) < 0)
        return -1;
    *ret_us = rows_count(r) == 1 ? rows_int(r, 0, 0) : INT64_MAX;
    return 0;
}

enum group_column {
    COL_NAME,
    COL_SCHEDULER,
    COL_OPTS,
    COL_ACTIVE,
    COL_SCHEDULABLE,
    COL_AGENTS,
    COL_PENDING,
    COL_LIVE,
    COL_EPOCH,
    COL_ROUND,
    COL_ROUND_START,
    COL_ROUND_US,
    COL_COUNTS
};

/* $2: only those named in $1; $3: names greater than this. */
static const char sql_list[] =
    "WITH page AS (SELECT id, name, scheduler, scheduler_opts, is_active FROM scaling_groups "
    "WHERE (NOT $2 OR name = ANY($1::text[])) AND name COLLATE \"C\" > $3 "
    "ORDER BY name COLLATE \"C\" LIMIT $4), "
    "agent_count AS (SELECT resource_group_id AS id, "
    "count(*) FILTER (WHERE status = 'ALIVE' AND schedulable) AS schedulable, count(*) AS total "
    "FROM agents WHERE resource_group_id IN (SELECT id FROM page) GROUP BY 1), "
    "session_count AS (SELECT resource_group_id AS id, "
    "count(*) FILTER (WHERE status = 'PENDING') AS pending, "
    "count(*) FILTER (WHERE status <> 'PENDING') AS live "
    "FROM sessions WHERE resource_group_id IN (SELECT id FROM page) "
    "AND status IN ('PENDING'," SQL_SESSION_OCCUPYING ") GROUP BY 1) "
    "SELECT p.name, p.scheduler, p.scheduler_opts, coalesce(p.is_active, true), "
    "coalesce(a.schedulable, 0), coalesce(a.total, 0), coalesce(s.pending, 0), "
    "coalesce(s.live, 0), coalesce(g.epoch, 0), "
    "CASE WHEN g.round_started_at IS NOT NULL THEN r.round_id END, "
    "g.round_started_at, g.round_us, g.round_counts "
    "FROM page p LEFT JOIN agent_count a USING (id) LEFT JOIN session_count s USING (id) "
    "LEFT JOIN berth.group_state g ON g.scaling_group_id = p.id "
    "LEFT JOIN LATERAL (SELECT round_id FROM berth.rounds WHERE scaling_group_id = p.id "
    "ORDER BY epoch DESC LIMIT 1) r ON true "
    "ORDER BY p.name COLLATE \"C\"";

/* Slots are the same for every group: one sentence for each type nobody knows. */
static const char sql_odd_slots[] =
    "SELECT slot_name, slot_type FROM resource_slot_types WHERE enabled "
    "AND slot_type NOT IN ('count', 'bytes', 'unique', 'unified') ORDER BY slot_name COLLATE \"C\"";

static int odd_slots(struct txn *t, struct arena *a, const char ***ret, uint32_t *ret_n,
                     struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_odd_slots, "tt", NULL, 0, &r, e) < 0)
        return -1;
    *ret_n = rows_count(r);
    *ret = arena_new(a, const char *, *ret_n);
    for (uint32_t i = 0; i < *ret_n; i++)
        (*ret)[i] = arena_printf(a,
                                 "resource_slot_types \"%s\": slot_type \"%s\" is unknown and "
                                 "treated as count.",
                                 rows_text(r, i, 0), rows_text(r, i, 1));
    return 0;
}

static void counts_from(const struct pg_rows *r, uint32_t row, struct arena *a,
                        uint32_t counts[N_OUTCOMES])
{
    uint32_t n = 0;
    const int64_t *v = rows_int_array(r, row, COL_COUNTS, a, &n);
    for (uint32_t i = 0; i < N_OUTCOMES; i++)
        counts[i] = i < n ? (uint32_t)v[i] : 0;
}

static void info_from_row(const struct pg_rows *r, uint32_t i, struct arena *a,
                          const char *const *odd, uint32_t n_odd, struct scaling_group_info *ret)
{
    const char *name = arena_strdup(a, rows_text(r, i, COL_NAME));
    struct scheduler_opts opts = scheduler_opts_parse(rows_text(r, i, COL_OPTS), name, a);
    *ret = (struct scaling_group_info){
        .name = name,
        .scheduler = arena_strdup(a, rows_text(r, i, COL_SCHEDULER)),
        .strategy = opts.strategy,
        .is_active = rows_bool(r, i, COL_ACTIVE),
        .agents_schedulable = (uint32_t)rows_int(r, i, COL_SCHEDULABLE),
        .agents_total = (uint32_t)rows_int(r, i, COL_AGENTS),
        .pending = (uint32_t)rows_int(r, i, COL_PENDING),
        .live = (uint32_t)rows_int(r, i, COL_LIVE),
        .epoch = rows_int(r, i, COL_EPOCH),
        .has_round = !rows_is_null(r, i, COL_ROUND),
        .round_id = rows_uuid(r, i, COL_ROUND),
        .round_start = rows_time(r, i, COL_ROUND_START),
        .round_us = rows_int(r, i, COL_ROUND_US),
        .bad_options = opts.bad,
        .options = opts.options,
        .n_options = opts.n_options,
        .problems = odd,
        .n_problems = n_odd,
    };
    counts_from(r, i, a, ret->counts);
}

int scaling_group_list(struct txn *t, const char *const *names, uint32_t n_names, const char *after,
                       uint32_t max, struct arena *a, struct scaling_group_info **ret,
                       uint32_t *ret_n, struct err *e)
{
    const char **odd = NULL;
    uint32_t n_odd = 0;
    if (odd_slots(t, a, &odd, &n_odd, e) < 0)
        return -1;
    const struct pg_param p[] = {
        param_array_text(a, names, n_names),
        param_bool(names != NULL),
        param_text(after != NULL ? after : ""),
        param_int8(max),
    };
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_list, "tttbiiiiiusiI", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    uint32_t n = rows_count(r);
    struct scaling_group_info *list = arena_new(a, struct scaling_group_info, n);
    for (uint32_t i = 0; i < n; i++)
        info_from_row(r, i, a, odd, n_odd, &list[i]);
    *ret = list;
    *ret_n = n;
    return 0;
}
