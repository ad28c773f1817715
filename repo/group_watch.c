/* group_watch.c - which groups there are and what changed in them. */
#include "repo/group_watch.h"

#include <string.h>

#include "repo/pg_query.h"
#include "repo/scheduler_opts.h"
#include "scheduler/plan.h"

#define US_PER_S INT64_C(1000000)

enum { LEAST_US = 20000 };
#define GREATEST_US (86400 * US_PER_S)

/* --- the loop's options --- */

bool group_option_is_loop(const char *key)
{
    return strcmp(key, GROUP_OPTION_LOOP_INTERVAL) == 0 ||
           strcmp(key, GROUP_OPTION_LOOP_HINT_INTERVAL) == 0;
}

/* NULL or a text that cannot be used: 0. */
static int64_t option_us(const char *text)
{
    int64_t us;
    if (text == NULL || !duration_parse(text, &us) || us < LEAST_US || us > GREATEST_US)
        return 0;
    return us;
}

const char *group_option_problem(const char *key, const char *json, struct arena *a)
{
    const size_t len = strlen(json);
    const bool quoted = len >= 2 && json[0] == '"' && json[len - 1] == '"';
    const char *text = quoted ? arena_strndup(a, json + 1, len - 2) : json;
    if (!group_option_is_loop(key) || strcmp(json, "null") == 0 || option_us(text) != 0)
        return NULL;
    return arena_printf(a, "Option %s is not a duration from 20 ms to a day; the setting is used.",
                        key);
}

/* --- the look --- */

static const char sql_now[] = "SELECT pg_current_snapshot()::text, now()";

/* $1: how many groups. $2: where in round_counts the blocked sessions are. */
static const char sql_look[] =
    "WITH waiting AS (SELECT resource_group_id AS id, count(*) AS n, "
    "bit_xor(uuid_hash_extended(id, priority)) AS mark "
    "FROM sessions WHERE status = 'PENDING' GROUP BY 1), "
    "hosts AS (SELECT resource_group_id AS id, count(*) AS n, "
    "count(*) FILTER (WHERE status = 'ALIVE' AND schedulable) AS usable FROM agents GROUP BY 1), "
    "room AS (SELECT a.resource_group_id AS id, "
    "bit_xor(hash_numeric_extended(r.capacity - r.reserved - r.prereserved - r.used, "
    "hashtextextended(r.agent_id, hashtext(r.slot_name)))) AS mark "
    "FROM agents a JOIN agent_resources r ON r.agent_id = a.id "
    "WHERE a.status = 'ALIVE' AND a.schedulable "
    "AND a.resource_group_id IN (SELECT id FROM waiting) GROUP BY 1), "
    "slots AS (SELECT coalesce(hashtextextended(string_agg(concat_ws(chr(1), slot_name, slot_type, "
    "enabled, rank), chr(2) ORDER BY slot_name), 0), 0) AS mark FROM resource_slot_types) "
    "SELECT g.name, "
    "hashtextextended(concat_ws(chr(1), g.id, g.scheduler, g.scheduler_opts, g.is_active, "
    "coalesce(h.n, 0) > 0, coalesce(h.usable, 0) > 0), slots.mark), "
    "hashtextextended(concat_ws(chr(1), w.n, w.mark, r.mark, h.usable), 0), "
    "coalesce(w.n, 0), coalesce(s.round_counts[$2], 0) > 0, coalesce(s.epoch, 0), "
    "s.round_started_at, coalesce(s.health, 1), "
    "g.scheduler_opts->'config'->>'" GROUP_OPTION_LOOP_INTERVAL "', "
    "g.scheduler_opts->'config'->>'" GROUP_OPTION_LOOP_HINT_INTERVAL "' "
    "FROM scaling_groups g CROSS JOIN slots LEFT JOIN waiting w ON w.id = g.id "
    "LEFT JOIN hosts h ON h.id = g.id LEFT JOIN room r ON r.id = g.id "
    "LEFT JOIN berth.group_state s ON s.scaling_group_id = g.id "
    "ORDER BY g.name COLLATE \"C\" LIMIT $1";

enum look_column {
    COL_NAME,
    COL_KEY,
    COL_MARK,
    COL_PENDING,
    COL_BLOCKED,
    COL_EPOCH,
    COL_ROUND_START,
    COL_HEALTH,
    COL_INTERVAL,
    COL_HINT_INTERVAL
};

/* The end of an index, whatever the number of sessions. */
static const char sql_ended[] = "SELECT max(terminated_at) FROM sessions";

static int read_now(struct txn *t, const char *last, struct arena *a, struct group_look *ret,
                    struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_now, "ts", NULL, 0, &r, e) < 0)
        return -1;
    ret->snapshot = arena_strdup(a, rows_text(r, 0, 0));
    ret->now = rows_time(r, 0, 1);
    ret->is_same = last != NULL && strcmp(last, ret->snapshot) == 0;
    return 0;
}

static int read_ended(struct txn *t, struct group_look *ret, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_ended, "s", NULL, 0, &r, e) < 0)
        return -1;
    ret->ended = rows_time(r, 0, 0);
    return 0;
}

static struct watched_group group_from_row(const struct pg_rows *r, uint32_t i, struct arena *a)
{
    return (struct watched_group){
        .name = arena_strdup(a, rows_text(r, i, COL_NAME)),
        .key = rows_int(r, i, COL_KEY),
        .mark = rows_int(r, i, COL_MARK),
        .pending = (uint32_t)rows_int(r, i, COL_PENDING),
        .has_blocked = rows_bool(r, i, COL_BLOCKED),
        .epoch = rows_int(r, i, COL_EPOCH),
        .round_start = rows_time(r, i, COL_ROUND_START),
        .health = (enum group_health)rows_int(r, i, COL_HEALTH),
        .interval_us = option_us(rows_text(r, i, COL_INTERVAL)),
        .hint_interval_us = option_us(rows_text(r, i, COL_HINT_INTERVAL)),
    };
}

static int read_groups(struct txn *t, uint32_t max, struct arena *a, struct group_look *ret,
                       struct err *e)
{
    const struct pg_param p[] = {param_int8((int64_t)max + 1), param_int4(OUTCOME_BLOCKED + 1)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_look, "tiiibisitt", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    const uint32_t found = rows_count(r), n = found < max ? found : max;
    struct watched_group *groups = arena_new(a, struct watched_group, n);
    for (uint32_t i = 0; i < n; i++)
        groups[i] = group_from_row(r, i, a);
    ret->groups = groups;
    ret->n_groups = n;
    ret->has_more = found > n;
    return 0;
}

int group_watch_look(struct txn *t, const char *last, uint32_t max, struct arena *a,
                     struct group_look *ret, struct err *e)
{
    struct group_look look = {.ended = TIME_NONE};
    if (read_now(t, last, a, &look, e) < 0)
        return -1;
    if (!look.is_same && (read_ended(t, &look, e) < 0 || read_groups(t, max, a, &look, e) < 0))
        return -1;
    *ret = look;
    return 0;
}
