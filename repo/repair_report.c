/* repair_report.c - contradictions that nobody can mend from the rows alone: a person is told. */
#include "repo/pg_query.h"
#include "repo/repair_pass.h"
#include "repo/status.h"

#define MOST "1000" /* lines of a kind */

static const struct {
    enum repair_kind kind;
    const char *sql; /* $1: the group; one column: the fact */
    const char *deed;
} reports[] = {
    {REPAIR_UNSCHEDULED_KERNEL,
     "SELECT format('session %s is %s, %s of its %s kernels PENDING', s.id, s.status, "
     "count(*) FILTER (WHERE k.status = 'PENDING'), count(*)) "
     "FROM sessions s JOIN kernels k ON k.session_id = s.id WHERE s.resource_group_id = $1 "
     "AND s.status IN ('SCHEDULED', 'PREPARING', 'PULLING', 'PREPARED', 'CREATING', 'RUNNING') "
     "GROUP BY s.id HAVING bool_or(k.status = 'PENDING') ORDER BY s.id LIMIT " MOST,
     "look at it: cancel the session, or let its manager reschedule it"},
    {REPAIR_LIVE_KERNEL,
     "SELECT format('session %s is %s, its kernel %s is %s on agent %s', s.id, s.status, k.id, "
     "k.status, coalesce(k.agent, '-')) FROM sessions s JOIN kernels k ON k.session_id = s.id "
     "WHERE k.resource_group_id = $1 AND s.status IN (" SQL_SESSION_TERMINAL ") "
     "AND k.status NOT IN (" SQL_KERNEL_TERMINAL ") ORDER BY s.id, k.id LIMIT " MOST,
     "look at the agent: a container may still run"},
    {REPAIR_NO_COUNTER,
     "SELECT format('the ledger holds %s of slot %s on agent %s, which has no counter for it', "
     "trim_scale(sum(r.reserved + r.prereserved + coalesce(r.used, 0))), r.slot_name, g.id) "
     "FROM agents g JOIN kernels k ON k.agent = g.id "
     "JOIN resource_allocations r ON r.kernel_id = k.id "
     "WHERE g.resource_group_id = $1 AND r.free_at IS NULL AND NOT EXISTS (SELECT 1 "
     "FROM agent_resources a WHERE a.agent_id = g.id AND a.slot_name = r.slot_name) "
     "GROUP BY g.id, r.slot_name HAVING sum(r.reserved + r.prereserved + coalesce(r.used, 0)) > 0 "
     "ORDER BY g.id COLLATE \"C\", r.slot_name COLLATE \"C\" LIMIT " MOST,
     "look at the agent: it reports the slot no more, or never did"},
};

int repair_reports(struct repair_pass *p, struct err *e)
{
    const struct pg_param param[] = {param_uuid(&p->group_id)};
    for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
        CLEANUP(rows_freep) struct pg_rows *r = NULL;
        if (pg_query(p->t, reports[i].sql, "t", param, ARRAY_SIZE(param), &r, e) < 0)
            return -1;
        for (uint32_t k = 0; k < rows_count(r); k++)
            repair_leaves(p, reports[i].kind, arena_strdup(p->result, rows_text(r, k, 0)),
                          reports[i].deed);
    }
    return 0;
}
