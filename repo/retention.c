/* retention.c - finds what may go, oldest first, and removes a batch of it. */
#include "repo/retention.h"

#include "repo/pg_query.h"

/* Any number that nobody else takes; this one spells "trim". */
static const char sql_lock[] = "SELECT pg_try_advisory_xact_lock(1953655149)";

/* The first group whose oldest event may go; then a batch of its oldest ones, up to the first that
 * must stay. Numbers, not times, bound the statement, so it reads no row twice over. */
static const char sql_events[] =
    "WITH grp AS MATERIALIZED ("
    " SELECT s.scaling_group_id, s.last_sequence FROM berth.group_state s"
    " CROSS JOIN LATERAL (SELECT e.sequence, e.created_at FROM berth.events e"
    "  WHERE e.scaling_group_id = s.scaling_group_id ORDER BY e.sequence LIMIT 1) o"
    " WHERE ($1 > 0 AND o.created_at < now() - $1 * interval '1 millisecond')"
    "  OR ($2 > 0 AND o.sequence <= s.last_sequence - $2)"
    " LIMIT 1), "
    "old AS MATERIALIZED ("
    " SELECT e.sequence, coalesce(($1 > 0 AND e.created_at < now() - $1 * interval '1 millisecond')"
    "  OR ($2 > 0 AND e.sequence <= grp.last_sequence - $2), false) AS may_go"
    " FROM grp CROSS JOIN LATERAL (SELECT sequence, created_at FROM berth.events"
    "  WHERE scaling_group_id = grp.scaling_group_id ORDER BY sequence LIMIT $3) e), "
    "cut AS (SELECT coalesce((SELECT min(sequence) - 1 FROM old WHERE NOT may_go),"
    " (SELECT max(sequence) FROM old)) AS upto), "
    "gone AS (DELETE FROM berth.events e USING grp, cut"
    " WHERE e.scaling_group_id = grp.scaling_group_id AND e.sequence <= cut.upto RETURNING 1) "
    "SELECT count(*) FROM gone";

/* Epochs grow with time. The newest round of a group has no successor and stays. */
static const char sql_rounds[] =
    "WITH grp AS MATERIALIZED ("
    " SELECT s.scaling_group_id FROM berth.group_state s"
    " CROSS JOIN LATERAL (SELECT r.started_at FROM berth.rounds r"
    "  WHERE r.scaling_group_id = s.scaling_group_id ORDER BY r.epoch LIMIT 1) o"
    " CROSS JOIN LATERAL (SELECT 1 FROM berth.rounds r"
    "  WHERE r.scaling_group_id = s.scaling_group_id ORDER BY r.epoch OFFSET 1 LIMIT 1) another"
    " WHERE o.started_at < now() - $1 * interval '1 millisecond'"
    " LIMIT 1), "
    "old AS MATERIALIZED ("
    " SELECT r.epoch, r.round_id, r.started_at < now() - $1 * interval '1 millisecond' AS may_go,"
    "  row_number() OVER (ORDER BY r.epoch DESC, r.round_id DESC) AS from_end"
    " FROM grp CROSS JOIN LATERAL (SELECT epoch, round_id, started_at FROM berth.rounds"
    "  WHERE scaling_group_id = grp.scaling_group_id ORDER BY epoch LIMIT $2::int8 + 1) r), "
    "gone AS (DELETE FROM berth.rounds r USING old"
    " WHERE r.round_id = old.round_id AND old.from_end > 1 AND old.may_go"
    " RETURNING 1) "
    "SELECT count(*) FROM gone";

static const char sql_requests[] =
    "WITH gone AS (DELETE FROM berth.requests WHERE request_id IN ("
    " SELECT request_id FROM berth.requests"
    " WHERE created_at < now() - $1 * interval '1 millisecond' ORDER BY created_at LIMIT $2)"
    " RETURNING 1) SELECT count(*) FROM gone";

const char *retention_kind_name(enum retention_kind k)
{
    static const char *const names[N_RETENTION_KINDS] = {
        [RETENTION_EVENTS] = "events",
        [RETENTION_ROUNDS] = "rounds",
        [RETENTION_REQUESTS] = "requests",
    };
    return names[k];
}

struct step {
    const struct retention_policy *policy;
    enum retention_kind kind;
    uint32_t removed;
    bool busy;
};

static bool bounds_nothing(const struct retention_policy *p, enum retention_kind k)
{
    switch (k) {
    case RETENTION_EVENTS:
        return p->event_age_ms <= 0 && p->event_count <= 0;
    case RETENTION_ROUNDS:
        return p->round_age_ms <= 0;
    default:
        return p->request_age_ms <= 0;
    }
}

static int remove_batch(struct txn *t, struct step *s, struct err *e)
{
    const struct retention_policy *p = s->policy;
    const struct pg_param events[] = {param_int8(p->event_age_ms), param_int8(p->event_count),
                                      param_int8(p->batch)};
    const struct pg_param rounds[] = {param_int8(p->round_age_ms), param_int8(p->batch)};
    const struct pg_param requests[] = {param_int8(p->request_age_ms), param_int8(p->batch)};
    const struct {
        const char *sql;
        const struct pg_param *params;
        uint32_t n;
    } statements[N_RETENTION_KINDS] = {
        [RETENTION_EVENTS] = {sql_events, events, ARRAY_SIZE(events)},
        [RETENTION_ROUNDS] = {sql_rounds, rounds, ARRAY_SIZE(rounds)},
        [RETENTION_REQUESTS] = {sql_requests, requests, ARRAY_SIZE(requests)},
    };
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, statements[s->kind].sql, "i", statements[s->kind].params, statements[s->kind].n,
                 &r, e) < 0)
        return -1;
    s->removed = (uint32_t)rows_int(r, 0, 0);
    return 0;
}

static int step_body(struct txn *t, void *ctx, struct err *e)
{
    struct step *s = ctx;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    s->removed = 0;
    if (pg_query(t, sql_lock, "b", NULL, 0, &r, e) < 0)
        return -1;
    s->busy = !rows_bool(r, 0, 0);
    return s->busy ? 0 : remove_batch(t, s, e);
}

int retention_step(struct pg *c, const struct retention_policy *p, enum retention_kind kind,
                   uint32_t *ret_removed, bool *ret_busy, struct err *e)
{
    struct step s = {.policy = p, .kind = kind};
    if (!bounds_nothing(p, kind) && txn_run(c, TXN_WRITE, step_body, &s, e) < 0)
        return -1;
    *ret_removed = s.removed;
    *ret_busy = s.busy;
    return 0;
}
