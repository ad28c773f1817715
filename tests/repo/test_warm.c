/* test_warm.c - each odd way in which rows change between two loads, and what the second then
 * reads. Random histories have test_warm_history.c, servers that were restarted
 * test_warm_restart.c. */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "repo/db_moment.h"
#include "repo/pg_query.h"
#include "repo/scaling_group.h"
#include "tests/repo/warm_world.h"

static const char sessions[] =
    "SELECT t.session('s1', 1, 1024, 2), t.session('s2', 2, 1024), t.session('s3', 3, 0), "
    "t.session('other', 1, 0, 1, 'g2'); SELECT t.session('r', 1, 0), t.place('r', 'a1', 'RUNNING')";

/* Compared with a full load when it is not one itself; *difference NULL: must be equal. */
static enum load_kind load(struct pg *c, struct warm **w, const char **difference, struct arena *a,
                           const char *what)
{
    const struct warm_report report = warm_world_load(c, w, 0, a, what);
    if (difference != NULL)
        *difference = report.difference;
    else
        ck_assert_msg(report.difference == NULL, "%s: kept and read: %s", what, report.difference);
    return report.kind;
}

static const char *kind_name(enum load_kind kind)
{
    static const char *const names[] = {
        [LOAD_FULL] = "full", [LOAD_DELTA] = "delta", [LOAD_UNCHANGED] = "unchanged"};
    return names[kind];
}

#define CANCELLED(name)                                                                            \
    "UPDATE kernels SET status = 'CANCELLED' WHERE session_id = t.id('" name "');"                 \
    "UPDATE sessions SET status = 'CANCELLED' WHERE id = t.id('" name "')"

static const struct {
    const char *what, *sql;
    enum load_kind kind;
} changes[] = {
    {"a kernel is deleted",
     "DELETE FROM resource_allocations WHERE kernel_id = t.id('s1/2');"
     "DELETE FROM kernels WHERE id = t.id('s1/2')",
     LOAD_FULL},
    {"a ledger row is deleted",
     "DELETE FROM resource_allocations WHERE kernel_id = t.id('s3/1') "
     "AND slot_name = 'mem'",
     LOAD_FULL},
    {"a kernel that waits is placed alone",
     "UPDATE kernels SET status = 'SCHEDULED' WHERE id = t.id('s2/1')", LOAD_DELTA},
    {"an agent is deleted",
     "DELETE FROM agent_resources WHERE agent_id = 'a2'; DELETE FROM agents WHERE id = 'a2'",
     LOAD_FULL},
    {"an agent's slot is deleted",
     "DELETE FROM agent_resources WHERE agent_id = 'a2' AND slot_name = 'mem'", LOAD_FULL},
    {"a slot is disabled", "UPDATE resource_slot_types SET enabled = false WHERE slot_name = 'mem'",
     LOAD_FULL},
    {"a slot has another type",
     "UPDATE resource_slot_types SET slot_type = 'count' WHERE slot_name = 'mem'", LOAD_FULL},
    {"the first slot has another type",
     "UPDATE resource_slot_types SET slot_type = 'bytes' WHERE slot_name = 'cpu'", LOAD_FULL},
    {"a slot has another rank", "UPDATE resource_slot_types SET rank = 1 WHERE slot_name = 'mem'",
     LOAD_DELTA},
    {"rows are rewritten", "VACUUM FULL sessions", LOAD_FULL},
    {"rows are put in order", "CLUSTER kernels USING pk_kernels", LOAD_FULL},
    {"rows are written out by a new type", "ALTER TABLE sessions ALTER COLUMN priority TYPE bigint",
     LOAD_FULL},
    {"rows are frozen", "VACUUM FREEZE sessions", LOAD_UNCHANGED},
    {"a column gets another one's name",
     "ALTER TABLE sessions RENAME priority TO p; ALTER TABLE sessions RENAME job_priority TO "
     "priority",
     LOAD_FULL},
    {"a column is made anew with a default",
     "ALTER TABLE sessions DROP COLUMN creation_id; "
     "ALTER TABLE sessions ADD COLUMN creation_id varchar(32) DEFAULT 'x'",
     LOAD_FULL},
    {"a word of an enum is another", "ALTER TYPE agentstatus RENAME VALUE 'ALIVE' TO 'LIVING'",
     LOAD_FULL},
    {"the first session is cancelled", CANCELLED("s1"), LOAD_DELTA},
    {"the second session is cancelled", CANCELLED("s2"), LOAD_DELTA},
    {"the last session is cancelled", CANCELLED("s3"), LOAD_DELTA},
    {"all is gone", "TRUNCATE sessions, kernels, resource_allocations CASCADE", LOAD_FULL},
    {"a table takes the place of another",
     "ALTER TABLE sessions RENAME TO old; CREATE TABLE sessions (LIKE old INCLUDING ALL); "
     "INSERT INTO sessions SELECT * FROM old WHERE name <> 's2'",
     LOAD_FULL},
    {"a view takes the place of a table",
     "ALTER TABLE agents RENAME TO old; CREATE VIEW agents AS SELECT * FROM old WHERE id <> 'a2'",
     LOAD_FULL},
    {"rows are hidden by a policy", "ALTER TABLE sessions ENABLE ROW LEVEL SECURITY", LOAD_FULL},
    {"a table has children", "CREATE TABLE more () INHERITS (session_groups)", LOAD_FULL},
    {"the count of failures begins anew",
     "DELETE FROM berth.group_state WHERE scaling_group_id = t.id('g1')", LOAD_FULL},
    {"the group is another of the same name",
     "SELECT t.hostile(); UPDATE scaling_groups SET name = 'was' WHERE name = 'g1';"
     "UPDATE scaling_groups SET name = 'g1' WHERE name = 'g2'",
     LOAD_FULL},
    {"many sessions come", "SELECT t.session('m' || i, 1, 0) FROM generate_series(1, 100) i",
     LOAD_FULL},
    {"nobody writes", "SELECT 1", LOAD_UNCHANGED},
    {"what was written is rolled back", "BEGIN; UPDATE sessions SET priority = 3; ROLLBACK",
     LOAD_DELTA},
    {"a row is locked", "BEGIN; SELECT FROM sessions FOR UPDATE; COMMIT", LOAD_DELTA},
    {"a table is made that is nothing to it", "CREATE TABLE more (i int)", LOAD_DELTA},
    {"something else is written", "UPDATE domains SET description = 'x'", LOAD_DELTA},
    {"a session comes", "SELECT t.session('s4', 1, 0)", LOAD_DELTA},
    {"a session leaves", "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's2'", LOAD_DELTA},
    {"one comes and one leaves",
     "SELECT t.session('s4', 1, 0); DELETE FROM resource_allocations WHERE kernel_id = "
     "t.id('s2/1'); DELETE FROM kernels WHERE id = t.id('s2/1'); DELETE FROM sessions WHERE name "
     "= 's2'",
     LOAD_DELTA},
    {"a session's request changes",
     "UPDATE resource_allocations SET requested = 3 WHERE kernel_id = t.id('s1/2')", LOAD_DELTA},
    {"a session's kernel changes",
     "UPDATE kernels SET architecture = 'aarch64' WHERE id = t.id('s1/2')", LOAD_DELTA},
    {"a session moves to the group",
     "UPDATE sessions SET resource_group_id = t.id('g1') WHERE name = 'other';"
     "UPDATE kernels SET resource_group_id = t.id('g1') WHERE session_id = t.id('other')",
     LOAD_DELTA},
    {"an agent's capacity changes", "UPDATE agent_resources SET capacity = 3 WHERE agent_id = 'a1'",
     LOAD_DELTA},
    {"an agent's address alone changes", "UPDATE agents SET addr = 'tcp://moved' WHERE id = 'a1'",
     LOAD_DELTA},
    {"a session's priority alone changes", "UPDATE sessions SET priority = 3 WHERE name = 's1'",
     LOAD_DELTA},
    {"an agent comes", "SELECT t.agent('a3', 'g1', 1, 1)", LOAD_DELTA},
    {"an owner has a limit", "UPDATE domains SET total_resource_slots = '{\"cpu\": \"4\"}'",
     LOAD_DELTA},
    {"a running session holds more",
     "UPDATE resource_allocations SET used = 5 WHERE kernel_id = "
     "t.id('r/1')",
     LOAD_DELTA},
    {"a running kernel ends alone",
     "UPDATE kernels SET status = 'TERMINATED' WHERE id = t.id('r/1')", LOAD_DELTA},
    {"the group's options change", "UPDATE scaling_groups SET scheduler = 'lifo'", LOAD_DELTA},
};

START_TEST(warm_load_reads_what_changed_as_tabled)
{
    struct db d = world_create();
    world_do(&d, sessions);
    world_do(&d, "INSERT INTO berth.group_state (scaling_group_id, failure_rounds) VALUES "
                 "(t.id('g1'), 5)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    ck_assert_int_eq(load(c, &w, NULL, a, "the first load"), LOAD_FULL);
    world_do(&d, changes[_i].sql);
    enum load_kind kind = load(c, &w, NULL, a, changes[_i].what);
    ck_assert_msg(kind == changes[_i].kind, "%s: the load was %s, expected %s", changes[_i].what,
                  kind_name(kind), kind_name(changes[_i].kind));
}
END_TEST

/* What is seen of a row is more than the row. */
static const struct {
    const char *what, *sql;
} odd_tables[] = {
    {"a view", "ALTER TABLE session_groups RENAME TO old; CREATE VIEW session_groups AS SELECT * "
               "FROM old"},
    {"a table with policies", "ALTER TABLE session_groups ENABLE ROW LEVEL SECURITY"},
    {"a table with children", "CREATE TABLE more () INHERITS (session_groups)"},
    {"a table with rules", "CREATE RULE r AS ON DELETE TO session_groups DO INSTEAD NOTHING"},
};

START_TEST(warm_load_keeps_nothing_of_odd_tables)
{
    struct db d = world_create();
    world_do(&d, sessions);
    world_do(&d, odd_tables[_i].sql);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    ck_assert_int_eq(load(c, &w, NULL, a, "the first load"), LOAD_FULL);
    enum load_kind kind = load(c, &w, NULL, a, odd_tables[_i].what);
    ck_assert_msg(kind == LOAD_FULL, "%s: the load was %s", odd_tables[_i].what, kind_name(kind));
}
END_TEST

/* A transaction that is open while a group is loaded, and what of it is seen later. */
START_TEST(warm_load_sees_what_was_open_then)
{
    struct db d = world_create();
    world_do(&d, sessions);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    PGconn *writer = PQconnectdb(d.conninfo);
    PQclear(PQexec(writer, "BEGIN; SAVEPOINT p; UPDATE sessions SET priority = 1 WHERE name = 's1';"
                           "RELEASE p; SAVEPOINT q; UPDATE sessions SET priority = 2 WHERE name = "
                           "'s2'"));
    world_do(&d, "UPDATE sessions SET priority = 3 WHERE name = 's3'");
    ck_assert_int_eq(load(c, &w, NULL, a, "while it is open"), LOAD_FULL);
    PQclear(PQexec(writer, "UPDATE sessions SET name = 'new' WHERE name = 's2'"));
    ck_assert_int_eq(load(c, &w, NULL, a, "while it is still open"), LOAD_DELTA);
    PQclear(PQexec(writer, "COMMIT"));
    ck_assert_int_eq(load(c, &w, NULL, a, "once it is committed"), LOAD_DELTA);
    ck_assert_int_eq(load(c, &w, NULL, a, "long after"), LOAD_UNCHANGED);
    PQfinish(writer);
    const struct snapshot *s = warm_snapshot(w);
    ck_assert_int_eq(s->sessions[world_session(s, "s1")].priority, 1);
    ck_assert_int_eq(s->sessions[world_session(s, "new")].priority, 2);
}
END_TEST

START_TEST(warm_load_notices_that_it_was_misled)
{
    struct db d = world_create();
    world_do(&d, sessions);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    const char *difference = NULL;
    load(c, &w, NULL, a, "the first load");
    world_write_quietly(c, "UPDATE sessions SET priority = 77 WHERE name = 's2'");
    ck_assert_int_eq(load(c, &w, &difference, a, "after a quiet write that was none"),
                     LOAD_UNCHANGED);
    ck_assert_msg(difference != NULL, "the difference was not noticed");
    ck_assert_msg(strstr(difference, "priority 77") != NULL && strstr(difference, "s2") != NULL,
                  "the difference is not told: %s", difference);
    const struct snapshot *s = warm_snapshot(w);
    ck_assert_int_eq(s->sessions[world_session(s, "s2")].priority, 77);
    ck_assert_int_eq(load(c, &w, NULL, a, "from then on"), LOAD_UNCHANGED);
}
END_TEST

START_TEST(warm_load_counts_failures_that_nobody_wrote)
{
    struct db d = world_create();
    world_do(&d, sessions);
    world_do(&d, "UPDATE sessions SET status_data = jsonb_build_object('scheduler', "
                 "jsonb_build_object('retries', 3, 'digest', '00000000000000ab', 'counted', "
                 "left(resource_group_id::text, 8) || ':5:00000000000000cd')); "
                 "INSERT INTO berth.group_state (scaling_group_id, failure_rounds) VALUES "
                 "(t.id('g1'), 5)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    load(c, &w, NULL, a, "the first load");
    for (int i = 1; i <= 3; i++) {
        world_write_quietly(c, "UPDATE berth.group_state SET failure_rounds = failure_rounds + 1");
        ck_assert_int_eq(load(c, &w, NULL, a, "a round more"), LOAD_UNCHANGED);
        const struct session *x = &warm_snapshot(w)->sessions[0];
        ck_assert_msg(x->retries == 3 + i && x->rare->carried == i,
                      "after %d: retries %d, carried %d", i, x->retries, x->rare->carried);
    }
    world_do(&d, "UPDATE berth.group_state SET failure_rounds = failure_rounds + 1");
    ck_assert_int_eq(load(c, &w, NULL, a, "a round of somebody else"), LOAD_DELTA);
    ck_assert_msg(warm_snapshot(w)->sessions[0].rare->carried == 4, "its failure is not counted");
    world_write_quietly(c, "UPDATE berth.group_state SET rr_cursors = '{\"x86_64\": \"a1\"}'");
    ck_assert_int_eq(load(c, &w, NULL, a, "cursors that moved"), LOAD_FULL);
    world_write_quietly(c, "UPDATE berth.group_state SET failure_rounds = 1");
    ck_assert_int_eq(load(c, &w, NULL, a, "a count that went back"), LOAD_FULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm");
    TCase *tc = tcase_create("changes");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, warm_load_reads_what_changed_as_tabled, 0, ARRAY_SIZE(changes));
    tcase_add_loop_test(tc, warm_load_keeps_nothing_of_odd_tables, 0, ARRAY_SIZE(odd_tables));
    tcase_add_test(tc, warm_load_sees_what_was_open_then);
    tcase_add_test(tc, warm_load_notices_that_it_was_misled);
    tcase_add_test(tc, warm_load_counts_failures_that_nobody_wrote);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_ALONE);
}
