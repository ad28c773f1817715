/* test_bystanders.c - which rows a commit and a cancel write: those of their sessions, and no
 * others beside them that look alike. */
#include <stdio.h>
#include <string.h>

#include "repo/session.h"
#include "tests/repo/world.h"

/* Two kernels a session, the second of each is over. Kinds: p* PENDING, s* SCHEDULED, r* RUNNING.
 */
static const char sql_cluster[] =
    "SELECT t.session('p' || i, 1, 2, 2), t.session('s' || i, 1, 2, 2), t.session('r' || i, 1, 2, "
    "2) "
    "FROM generate_series(1, 3) i; "
    "SELECT t.place('s' || i, 'a1', 'SCHEDULED'), t.place('r' || i, 'a1', 'RUNNING') "
    "FROM generate_series(1, 3) i; "
    "UPDATE kernels SET status = 'TERMINATED', status_info = 'self-terminated' WHERE cluster_idx = "
    "2 "
    "AND session_id NOT IN (t.id('p1'), t.id('p2'), t.id('s1'), t.id('s2')); "
    "UPDATE kernels SET status = 'TERMINATING' WHERE id = t.id('r2/2'); "
    "UPDATE agent_resources SET updated_at = '2026-01-01'; "
    "UPDATE kernels SET status_changed = '2026-01-01'; "
    "CREATE VIEW t.versions AS "
    "SELECT 'session ' || name AS key, xmin::text AS x FROM sessions UNION ALL "
    "SELECT 'kernel ' || s.name || '/' || k.cluster_idx, k.xmin::text FROM kernels k JOIN sessions "
    "s "
    "ON s.id = k.session_id UNION ALL "
    "SELECT 'ledger ' || s.name || '/' || k.cluster_idx || ' ' || r.slot_name, r.xmin::text "
    "FROM resource_allocations r JOIN kernels k ON k.id = r.kernel_id JOIN sessions s "
    "ON s.id = k.session_id UNION ALL SELECT 'agent ' || id, xmin::text FROM agents UNION ALL "
    "SELECT 'holds ' || agent_id || ' ' || slot_name, xmin::text FROM agent_resources UNION ALL "
    "SELECT 'keypair ' || access_key, xmin::text FROM keypairs; "
    "CREATE TABLE t.before AS SELECT * FROM t.versions";

static const char sql_written[] =
    "SELECT string_agg(key, ', ' ORDER BY key) FROM t.before b JOIN t.versions v USING (key) "
    "WHERE b.x <> v.x";

/* --- commits --- */

static const struct {
    const char *what, *session;
    enum outcome outcome;
    const char *written, *sql, *says;
} commits[] = {
    {"a placement", "p1", OUTCOME_SCHEDULED,
     "holds a2 cpu, holds a2 mem, kernel p1/1, kernel p1/2, ledger p1/1 cpu, ledger p1/1 mem, "
     "ledger p1/2 cpu, ledger p1/2 mem, session p1",
     "SELECT string_agg(concat_ws(' ', k.status, k.status_info, k.status_data, k.agent, "
     "k.agent_addr, "
     "k.status_changed > '2026-02-01', r.reserved::int, r.reserved_at IS NOT NULL), '; ') FROM "
     "kernels k "
     "JOIN resource_allocations r ON r.kernel_id = k.id WHERE k.id = t.id('p1/1')",
     "SCHEDULED scheduled {} a2 tcp://a2:6001 t 1 t; SCHEDULED scheduled {} a2 tcp://a2:6001 t 2 "
     "t"},
    {"a failure", "p2", OUTCOME_WAITING, "kernel p2/1, kernel p2/2, session p2",
     "SELECT concat_ws(' ', status, status_info, status_data->'scheduler'->'retries', "
     "status_changed > "
     "'2026-02-01') FROM kernels WHERE id = t.id('p2/1')",
     "PENDING no-available-instances 1 f"},
    {"a failure of a session with a kernel that is over", "p3", OUTCOME_BLOCKED,
     "kernel p3/1, session p3", "SELECT status_info FROM kernels WHERE id = t.id('p3/2')",
     "self-terminated"},
    {"an end", "p3", OUTCOME_EXPIRED,
     "kernel p3/1, ledger p3/1 cpu, ledger p3/1 mem, ledger p3/2 cpu, ledger p3/2 mem, session p3",
     "SELECT concat_ws(' ', status, status_info, status_changed > '2026-02-01', terminated_at IS "
     "NOT "
     "NULL, status_history ? 'CANCELLED') FROM kernels WHERE id = t.id('p3/1')",
     "CANCELLED pending-timeout t t t"},
};

START_TEST(commit_writes_the_rows_that_are_tabled)
{
    const char *what = commits[_i].what, *name = commits[_i].session;
    CLEANUP(world_close) struct world w = world_open(sql_cluster);
    struct plan *p = world_plan(w.s, w.a);
    if (commits[_i].outcome == OUTCOME_SCHEDULED)
        plan_place(p, w.s, name, "a2");
    else
        plan_say(p, w.s, w.a, name, commits[_i].outcome, CAUSE_CAPACITY, "why");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    world_expect(&w.d, sql_written, commits[_i].written, what);
    world_expect(&w.d, commits[_i].sql, commits[_i].says, what);
    ck_assert_msg(p->counts[OUTCOME_CONFLICT] == 0, "%s: it was lost", what);
}
END_TEST

/* --- cancels --- */

static const struct {
    const char *what, *session, *before;
    const char *written, *sql, *says;
} cancels[] = {
    {"a pending session", "p1", "",
     "kernel p1/1, kernel p1/2, ledger p1/1 cpu, ledger p1/1 mem, ledger p1/2 cpu, ledger p1/2 "
     "mem, "
     "session p1",
     "SELECT concat_ws(' ', status, status_info, status_changed > '2026-02-01', terminated_at IS "
     "NOT "
     "NULL) FROM kernels WHERE id = t.id('p1/1')",
     "CANCELLED why t t"},
    {"a scheduled session beside others", "s1", "",
     "holds a1 cpu, holds a1 mem, kernel s1/1, kernel s1/2, ledger s1/1 cpu, ledger s1/1 mem, "
     "ledger "
     "s1/2 cpu, ledger s1/2 mem, session s1",
     "SELECT string_agg(concat_ws(' ', slot_name, reserved::int, used::int, updated_at > "
     "'2026-02-01'), '; ' ORDER BY slot_name) FROM agent_resources WHERE agent_id = 'a1'",
     "cpu 4 6 t; mem 8 12 t"},
    {"a scheduled session with a kernel that is over", "s3", "",
     "holds a1 cpu, holds a1 mem, kernel s3/1, ledger s3/1 cpu, ledger s3/1 mem, ledger s3/2 cpu, "
     "ledger s3/2 mem, session s3",
     "SELECT status_info FROM kernels WHERE id = t.id('s3/2')", "self-terminated"},
    {"a scheduled session of which a kernel starts", "s2",
     "UPDATE kernels SET status = 'PREPARING' WHERE id = t.id('s2/2')",
     "kernel s2/1, kernel s2/2, session s2",
     "SELECT concat_ws(' ', status, status_info, status_changed > '2026-02-01', status_history ? "
     "'TERMINATING') FROM kernels WHERE id = t.id('s2/1')",
     "TERMINATING why t t"},
    {"a running session with a kernel that is over", "r1", "", "kernel r1/1, session r1",
     "SELECT concat_ws(' ', status, status_info) FROM sessions WHERE name = 'r1'",
     "TERMINATING why"},
    {"a running session with a kernel that is being stopped", "r2", "", "kernel r2/1, session r2",
     "SELECT concat_ws(' ', status, status_info, status_changed > '2026-02-01') FROM kernels WHERE "
     "id "
     "= t.id('r2/1')",
     "TERMINATING why t"},
};

START_TEST(cancel_writes_the_rows_that_are_tabled)
{
    const char *what = cancels[_i].what;
    CLEANUP(world_close) struct world w = world_open(sql_cluster);
    world_do(&w.d, cancels[_i].before);
    world_do(&w.d, "TRUNCATE t.before; INSERT INTO t.before SELECT * FROM t.versions");
    const struct cancel_input in = {.session_id = world_id(&w.d, cancels[_i].session),
                                    .reason = "why"};
    struct cancel_result r;
    struct err e = {.code = ERR_NONE};
    assert_done(session_cancel(w.c, &in, w.a, &r, &e), &e, what);
    world_expect(&w.d, sql_written, cancels[_i].written, what);
    world_expect(&w.d, cancels[_i].sql, cancels[_i].says, what);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bystanders");
    TCase *tc = tcase_create("bystanders");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, commit_writes_the_rows_that_are_tabled, 0, ARRAY_SIZE(commits));
    tcase_add_loop_test(tc, cancel_writes_the_rows_that_are_tabled, 0, ARRAY_SIZE(cancels));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
