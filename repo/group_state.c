/* group_state.c - fence and numbers of a scaling group. */
#include "repo/group_state.h"

#include <inttypes.h>

#include "repo/pg_query.h"

int scaling_group_unknown(struct err *e, const char *name)
{
    err_set(e, ERR_NOT_FOUND, "UNKNOWN_SCALING_GROUP", "There is no scaling group \"%s\".", name);
    return err_meta(e, "scaling_group", "%s", name);
}

static const char sql_advance[] =
    "UPDATE berth.group_state SET last_sequence = last_sequence + $3, rr_cursors = $4, "
    "failure_rounds = failure_rounds + $8::int8, "
    "round_started_at = CASE WHEN $5 THEN $6 ELSE round_started_at END, "
    "round_us = CASE WHEN $5 THEN (extract(epoch FROM clock_timestamp() - $6) * 1000000)::bigint "
    "ELSE round_us END, "
    "round_counts = CASE WHEN $5 THEN $7 ELSE round_counts END "
    "WHERE scaling_group_id = $1 AND epoch = $2 RETURNING last_sequence, clock_timestamp()";

int group_state_advance(struct txn *t, const struct group_advance *g, struct arena *a,
                        struct group_numbers *ret, struct err *e)
{
    int32_t counts[N_OUTCOMES];
    for (int i = 0; i < N_OUTCOMES; i++)
        counts[i] = (int32_t)g->counts[i];
    const struct pg_param p[] = {
        param_uuid(g->group_id),
        param_int8(g->epoch),
        param_int8(g->n_events),
        param_jsonb(g->rr_cursors),
        param_bool(g->round_ends),
        param_time(g->round_started_at),
        param_array_int4(a, counts, N_OUTCOMES),
        param_int8(g->failure_round),
    };
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_advance, "is", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) != 1) {
        err_set(e, ERR_CONFLICT, "FENCED", "Another round of the scaling group took over.");
        return err_meta(e, "epoch", "%" PRId64, g->epoch);
    }
    *ret = (struct group_numbers){
        .first = rows_int(r, 0, 0) - g->n_events + 1,
        .epoch = g->epoch,
        .now = rows_time(r, 0, 1),
    };
    return 0;
}

static const char sql_number[] =
    "INSERT INTO berth.group_state AS g (scaling_group_id, last_sequence) VALUES ($1, $2) "
    "ON CONFLICT (scaling_group_id) DO UPDATE SET last_sequence = g.last_sequence + $2 "
    "RETURNING g.last_sequence, g.epoch, clock_timestamp()";

static int give_numbers(struct txn *t, const char *sql, const struct uuid *group_id,
                        uint32_t n_events, struct group_numbers *ret, struct err *e)
{
    const struct pg_param p[] = {param_uuid(group_id), param_int8(n_events)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql, "iis", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    *ret = (struct group_numbers){
        .first = rows_int(r, 0, 0) - n_events + 1,
        .epoch = rows_int(r, 0, 1),
        .now = rows_time(r, 0, 2),
    };
    return 0;
}

int group_state_number(struct txn *t, const struct uuid *group_id, uint32_t n_events,
                       struct group_numbers *ret, struct err *e)
{
    return give_numbers(t, sql_number, group_id, n_events, ret, e);
}

static const char sql_fence[] =
    "INSERT INTO berth.group_state AS g (scaling_group_id, epoch, last_sequence) "
    "VALUES ($1, 1, $2) ON CONFLICT (scaling_group_id) DO UPDATE SET epoch = g.epoch + 1, "
    "last_sequence = g.last_sequence + $2, round_id = NULL "
    "RETURNING g.last_sequence, g.epoch, clock_timestamp()";

int group_state_fence(struct txn *t, const struct uuid *group_id, uint32_t n_events,
                      struct group_numbers *ret, struct err *e)
{
    return give_numbers(t, sql_fence, group_id, n_events, ret, e);
}

static const char sql_make[] = "INSERT INTO berth.group_state (scaling_group_id) VALUES ($1) "
                               "ON CONFLICT (scaling_group_id) DO NOTHING";

/* The inner query locks the row first, and sees it as it is by then. */
static const char sql_set_health[] =
    "UPDATE berth.group_state s SET last_sequence = s.last_sequence + 1, health = $2, "
    "health_reason = $3 FROM (SELECT g.scaling_group_id, g.health FROM berth.group_state g "
    "WHERE g.scaling_group_id = $1 AND (g.health <> $2 OR g.health_reason <> $3) "
    "FOR UPDATE OF g) old WHERE s.scaling_group_id = old.scaling_group_id "
    "RETURNING old.health, s.last_sequence, s.epoch, clock_timestamp()";

int group_state_set_health(struct txn *t, const struct uuid *group_id, enum group_health health,
                           const char *reason, enum group_health *ret_before, bool *ret_changed,
                           struct group_numbers *ret, struct err *e)
{
    const struct pg_param p[] = {param_uuid(group_id), param_int4((int32_t)health),
                                 param_text(reason)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_exec(t, sql_make, p, 1, NULL, e) < 0 ||
        pg_query(t, sql_set_health, "iiis", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    *ret_changed = rows_count(r) == 1;
    if (!*ret_changed)
        return 0;
    *ret_before = (enum group_health)rows_int(r, 0, 0);
    *ret = (struct group_numbers){
        .first = rows_int(r, 0, 1),
        .epoch = rows_int(r, 0, 2),
        .now = rows_time(r, 0, 3),
    };
    return 0;
}

static const char sql_take_epoch[] =
    "INSERT INTO berth.group_state AS g (scaling_group_id, epoch, round_id) "
    "SELECT id, 1, $2 FROM scaling_groups WHERE name = $1 "
    "ON CONFLICT (scaling_group_id) DO UPDATE SET epoch = g.epoch + 1, round_id = $2 "
    "RETURNING g.epoch";

int group_state_take_epoch(struct txn *t, const char *name, const struct uuid *round_id,
                           int64_t *ret_epoch, struct err *e)
{
    const struct pg_param p[] = {param_text(name), param_uuid(round_id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_take_epoch, "i", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) != 1)
        return scaling_group_unknown(e, name);
    *ret_epoch = rows_int(r, 0, 0);
    return 0;
}
