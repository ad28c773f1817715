/* repair_ledger.c - ledger rows of kernels that are over, and counters of agents that are not the
 * sums of their ledger rows.
 *
 * Lock order: sessions, agents, agent_resources by (agent, slot), the group's row. */
#include <string.h>

#include "repo/pg_query.h"
#include "repo/repair_pass.h"
#include "repo/session_row.h"
#include "repo/sql.h"
#include "repo/status.h"

/* --- dead allocations --- */

#define SQL_DEAD "k.status IN (" SQL_KERNEL_TERMINAL ") AND r.free_at IS NULL"

static const char sql_find_dead[] =
    "SELECT DISTINCT k.id, k.session_id FROM resource_allocations r "
    "JOIN kernels k ON k.id = r.kernel_id "
    "WHERE k.resource_group_id = $1 AND k.id > $2 AND " SQL_DEAD " ORDER BY k.id LIMIT $3";

static const char sql_lock_dead[] =
    "SELECT 1 FROM agent_resources a WHERE (a.agent_id, a.slot_name) IN ("
    "SELECT k.agent, r.slot_name FROM kernels k JOIN resource_allocations r ON r.kernel_id = k.id "
    "WHERE k.id = ANY($1::uuid[]) AND r.free_at IS NULL) "
    "ORDER BY a.agent_id COLLATE \"C\", a.slot_name COLLATE \"C\" FOR UPDATE OF a";

/* One row a kernel: what its rows in `freed` hold. */
#define SQL_TELL_DEAD                                                                              \
    "SELECT k.id, k.session_id, k.status, k.agent, coalesce(string_agg(f.slot_name || ' ' || "     \
    "trim_scale(f.prereserved + f.reserved + f.used)::text, ', ' ORDER BY f.slot_name COLLATE "    \
    "\"C\") FILTER (WHERE f.prereserved + f.reserved + f.used > 0), 'nothing') "                   \
    "FROM freed f JOIN kernels k ON k.id = f.kernel_id "                                           \
    "GROUP BY k.id ORDER BY k.id"

static const char sql_see_dead[] =
    "WITH freed AS (SELECT r.kernel_id, r.slot_name, " SQL_BUCKETS
    " FROM resource_allocations r JOIN kernels k ON k.id = r.kernel_id "
    "WHERE k.id = ANY($1::uuid[]) AND " SQL_DEAD ") " SQL_TELL_DEAD;

static const char sql_free_dead[] =
    "WITH freed AS (UPDATE resource_allocations r SET free_at = now() FROM kernels k "
    "WHERE k.id = r.kernel_id AND k.id = ANY($1::uuid[]) AND " SQL_DEAD
    " RETURNING r.kernel_id, k.agent, r.slot_name, " SQL_BUCKETS "), "
    "sums AS (SELECT agent, slot_name, sum(prereserved) AS prereserved, "
    "sum(reserved) AS reserved, sum(used) AS used FROM freed WHERE agent IS NOT NULL "
    "GROUP BY agent, slot_name), "
    "lowered AS (UPDATE agent_resources a SET "
    "prereserved = greatest(a.prereserved - s.prereserved, 0), "
    "reserved = greatest(a.reserved - s.reserved, 0), "
    "used = greatest(a.used - s.used, 0), updated_at = now() FROM sums s "
    "WHERE a.agent_id = s.agent AND a.slot_name = s.slot_name) " SQL_TELL_DEAD;

static void report_dead(struct repair_pass *p, const struct pg_rows *r)
{
    for (uint32_t i = 0; i < rows_count(r); i++) {
        char kernel[UUID_TEXT], session[UUID_TEXT];
        const struct uuid kernel_id = rows_uuid(r, i, 0), session_id = rows_uuid(r, i, 1);
        const char *agent = rows_text(r, i, 3);
        const char *fact = arena_printf(
            p->result, "kernel %s of session %s is %s, its ledger rows are live: %s on agent %s",
            uuid_format(&kernel_id, kernel), uuid_format(&session_id, session), rows_text(r, i, 2),
            rows_text(r, i, 4), agent != NULL ? agent : "-");
        repair_mends(p, REPAIR_DEAD_ALLOCATION, fact, "free them and give back what they hold");
    }
}

int repair_dead_allocations(struct repair_pass *p, struct err *e)
{
    const struct pg_param find[] = {param_uuid(&p->group_id), param_uuid(&p->after.id),
                                    param_int8(REPAIR_BATCH)};
    CLEANUP(rows_freep) struct pg_rows *found = NULL;
    if (pg_query(p->t, sql_find_dead, "uu", find, ARRAY_SIZE(find), &found, e) < 0)
        return -1;
    const uint32_t n = rows_count(found);
    struct uuid *kernels = arena_new(p->run, struct uuid, n);
    struct uuid *sessions = arena_new(p->run, struct uuid, n);
    for (uint32_t i = 0; i < n; i++) {
        p->end.id = kernels[i] = rows_uuid(found, i, 0);
        sessions[i] = rows_uuid(found, i, 1);
    }
    p->more = n == REPAIR_BATCH;
    if (n == 0)
        return 0;
    const struct pg_param param[] = {param_array_uuid(p->run, kernels, n)};
    const char **statuses = arena_new(p->run, const char *, n);
    CLEANUP(rows_freep) struct pg_rows *locked = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (!p->in->dry_run && (session_lock(p->t, sessions, n, p->run, statuses, e) < 0 ||
                            pg_query(p->t, sql_lock_dead, "i", param, 1, &locked, e) < 0))
        return -1;
    if (pg_query(p->t, p->in->dry_run ? sql_see_dead : sql_free_dead, "uuttt", param, 1, &r, e) < 0)
        return -1;
    report_dead(p, r);
    return 0;
}

/* --- counters --- */

/* Of the agents of group $1, those in $2 (none: all): had = the counters, held = the sums of live
 * ledger rows, diff = where they differ. */
#define SQL_DIFF                                                                                   \
    "WITH had AS (SELECT a.agent_id, a.slot_name, a.reserved, a.prereserved, a.used "              \
    "FROM agents g JOIN agent_resources a ON a.agent_id = g.id WHERE g.resource_group_id = $1 "    \
    "AND (cardinality($2::text[]) = 0 OR g.id = ANY($2::text[]))), "                               \
    "rows AS (SELECT k.agent, r.slot_name, " SQL_BUCKETS " FROM agents g "                         \
    "JOIN kernels k ON k.agent = g.id JOIN resource_allocations r ON r.kernel_id = k.id "          \
    "WHERE g.resource_group_id = $1 AND (cardinality($2::text[]) = 0 OR g.id = ANY($2::text[])) "  \
    "AND r.free_at IS NULL), "                                                                     \
    "held AS (SELECT agent, slot_name, sum(reserved) AS reserved, sum(prereserved) AS "            \
    "prereserved, sum(used) AS used FROM rows GROUP BY agent, slot_name), "                        \
    "diff AS (SELECT had.agent_id, had.slot_name, had.reserved AS had_reserved, "                  \
    "had.prereserved AS had_prereserved, had.used AS had_used, "                                   \
    "coalesce(held.reserved, 0) AS reserved, coalesce(held.prereserved, 0) AS prereserved, "       \
    "coalesce(held.used, 0) AS used FROM had LEFT JOIN held "                                      \
    "ON held.agent = had.agent_id AND held.slot_name = had.slot_name "                             \
    "WHERE (had.reserved, had.prereserved, had.used) IS DISTINCT FROM (coalesce(held.reserved, "   \
    "0), coalesce(held.prereserved, 0), coalesce(held.used, 0))) "

static const char sql_find_agents[] =
    SQL_DIFF "SELECT DISTINCT agent_id COLLATE \"C\" AS id FROM diff "
             "WHERE agent_id > $3 COLLATE \"C\" ORDER BY 1 LIMIT $4";

static const char sql_lock_agents[] = "SELECT 1 FROM agents WHERE id = ANY($1::text[]) "
                                      "ORDER BY id COLLATE \"C\" FOR NO KEY UPDATE";

static const char sql_lock_counters[] =
    "SELECT 1 FROM agent_resources WHERE agent_id = ANY($1::text[]) "
    "ORDER BY agent_id COLLATE \"C\", slot_name COLLATE \"C\" FOR UPDATE";

#define SQL_TELL_DIFF                                                                              \
    "SELECT d.agent_id, d.slot_name, trim_scale(d.had_reserved)::text, "                           \
    "trim_scale(d.had_prereserved)::text, trim_scale(d.had_used)::text, "                          \
    "trim_scale(d.reserved)::text, trim_scale(d.prereserved)::text, trim_scale(d.used)::text "

#define SQL_IN_ORDER " ORDER BY d.agent_id COLLATE \"C\", d.slot_name COLLATE \"C\""

static const char sql_see_diff[] = SQL_DIFF SQL_TELL_DIFF "FROM diff d" SQL_IN_ORDER;

static const char sql_set_counters[] =
    SQL_DIFF ", done AS (UPDATE agent_resources a SET reserved = d.reserved, "
             "prereserved = d.prereserved, used = d.used, updated_at = now() FROM diff d "
             "WHERE a.agent_id = d.agent_id AND a.slot_name = d.slot_name "
             "RETURNING d.*) " SQL_TELL_DIFF "FROM done d" SQL_IN_ORDER;

static const char *text_or_null(const struct pg_rows *r, uint32_t row, int col)
{
    const char *text = rows_text(r, row, col);
    return text != NULL ? text : "NULL";
}

static void report_counters(struct repair_pass *p, const struct pg_rows *r)
{
    static const char *const buckets[] = {"reserved", "prereserved", "used"};
    enum { COL_HAD = 2, COL_HELD = 5 };
    for (uint32_t i = 0; i < rows_count(r); i++) {
        for (int b = 0; b < (int)ARRAY_SIZE(buckets); b++) {
            const char *had = text_or_null(r, i, COL_HAD + b);
            const char *held = text_or_null(r, i, COL_HELD + b);
            if (strcmp(had, held) == 0)
                continue;
            const char *fact = arena_printf(
                p->result, "agent %s counts %s of slot %s as %s, its ledger rows hold %s",
                rows_text(r, i, 0), had, rows_text(r, i, 1), buckets[b], held);
            repair_mends(p, REPAIR_COUNTER, fact, "set the counter to what they hold");
        }
    }
}

int repair_counters(struct repair_pass *p, struct err *e)
{
    const struct pg_param find[] = {param_uuid(&p->group_id), param_array_text(p->run, NULL, 0),
                                    param_text(p->after.text), param_int8(REPAIR_BATCH)};
    CLEANUP(rows_freep) struct pg_rows *found = NULL;
    if (pg_query(p->t, sql_find_agents, "t", find, ARRAY_SIZE(find), &found, e) < 0)
        return -1;
    const uint32_t n = rows_count(found);
    const char **agents = arena_new(p->run, const char *, n);
    for (uint32_t i = 0; i < n; i++)
        p->end.text = agents[i] = arena_strdup(p->result, rows_text(found, i, 0));
    p->more = n == REPAIR_BATCH;
    if (n == 0)
        return 0;
    const struct pg_param names = param_array_text(p->run, agents, n);
    const struct pg_param param[] = {param_uuid(&p->group_id), names};
    CLEANUP(rows_freep) struct pg_rows *locked = NULL;
    CLEANUP(rows_freep) struct pg_rows *counters = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (!p->in->dry_run && (pg_query(p->t, sql_lock_agents, "i", &names, 1, &locked, e) < 0 ||
                            pg_query(p->t, sql_lock_counters, "i", &names, 1, &counters, e) < 0))
        return -1;
    if (pg_query(p->t, p->in->dry_run ? sql_see_diff : sql_set_counters, "tttttttt", param, 2, &r,
                 e) < 0)
        return -1;
    report_counters(p, r);
    return 0;
}
