/* test_cancel_locks.c - what a cancel holds while it waits, and in which order it takes it. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>

#include "repo/session.h"
#include "tests/repo/world.h"

/* s1 is scheduled on a1 and on a0, whose rows lie behind those of a1; the kernel of the smaller id
 * lies behind the other. */
static const char sql_cluster[] =
    "DO $$ DECLARE s text; BEGIN FOREACH s IN ARRAY ARRAY['nestloop', 'mergejoin', 'indexscan', "
    "'bitmapscan'] LOOP EXECUTE format('ALTER DATABASE %I SET enable_%s = off', "
    "current_database(), "
    "s); END LOOP; END $$; "
    "SELECT t.agent('a0', 'g1', 8, 17179869184), t.session('s1', 2, 1, 2), t.session('s2', 2, 1); "
    "SELECT t.place('s1', 'a1', 'SCHEDULED'), t.place('s2', 'a1', 'SCHEDULED'); "
    "UPDATE kernels SET agent = 'a0' WHERE id = t.id('s1/2'); "
    "UPDATE kernels SET agent = 'a1' WHERE id = t.id('s1/1'); "
    "UPDATE agent_resources SET reserved = CASE slot_name WHEN 'cpu' THEN 2 ELSE 1 END WHERE "
    "agent_id = "
    "'a0'; "
    "UPDATE agent_resources SET reserved = CASE slot_name WHEN 'cpu' THEN 4 ELSE 2 END WHERE "
    "agent_id = "
    "'a1'; "
    "WITH x AS (DELETE FROM agent_resources WHERE agent_id = 'a0' AND slot_name = 'cpu' RETURNING "
    "*) "
    "INSERT INTO agent_resources SELECT * FROM x; "
    "INSERT INTO berth.owner_versions VALUES (3, 'default', 1)";

/* Another transaction holds `first`; the rows of `locked` are then locked by the cancel, those of
 * `free` not. */
static const struct {
    const char *what, *first, *locked, *free;
} waits[] = {
    {"the session comes before its kernels",
     "SELECT FROM kernels WHERE session_id = t.id('s1') FOR UPDATE",
     "sessions WHERE name = 's1' FOR NO KEY UPDATE", "sessions WHERE name = 's2' FOR UPDATE"},
    {"kernels by id",
     "SELECT FROM kernels WHERE id = (SELECT min(id::text)::uuid FROM kernels WHERE session_id = "
     "t.id('s1')) FOR UPDATE",
     NULL,
     "kernels WHERE id = (SELECT max(id::text)::uuid FROM kernels WHERE session_id = t.id('s1')) "
     "FOR "
     "UPDATE"},
    {"kernels come before what agents hold",
     "SELECT FROM agent_resources WHERE agent_id = 'a0' FOR UPDATE",
     "kernels WHERE session_id = t.id('s1') FOR NO KEY UPDATE",
     "kernels WHERE session_id = t.id('s2') FOR UPDATE"},
    {"what agents hold by agent",
     "SELECT FROM agent_resources WHERE agent_id = 'a0' AND slot_name = 'cpu' FOR UPDATE", NULL,
     "agent_resources WHERE agent_id = 'a1' AND slot_name = 'cpu' FOR UPDATE"},
    {"what an agent holds by slot",
     "SELECT FROM agent_resources WHERE agent_id = 'a0' AND slot_name = 'cpu' FOR UPDATE", NULL,
     "agent_resources WHERE agent_id = 'a0' AND slot_name = 'mem' FOR UPDATE"},
    {"what agents hold comes before owners",
     "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 1)",
     "agent_resources WHERE agent_id IN ('a0', 'a1') FOR UPDATE",
     "berth.owner_versions WHERE owner_kind = 3 FOR UPDATE"},
};

struct onlooker {
    const struct db *d;
    PGconn *holder;
    const char *locked_sql, *free_sql;
    int64_t locked, free;
};

static int64_t count_free(const struct db *d, const char *rows)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM (SELECT 1 FROM %s SKIP LOCKED) x", rows);
    return db_int(d, sql);
}

static void *look_on(void *ctx)
{
    struct onlooker *o = ctx;
    db_await(o->d, SQL_LOCK_WAITS, "the cancel's wait");
    o->locked = o->locked_sql != NULL ? count_free(o->d, o->locked_sql) : 0;
    o->free = count_free(o->d, o->free_sql);
    PQclear(PQexec(o->holder, "ROLLBACK"));
    return NULL;
}

START_TEST(cancel_locks_as_tabled)
{
    const char *what = waits[_i].what;
    CLEANUP(world_close) struct world w = world_open(sql_cluster);
    pg_close(w.c); /* the settings are for those that connect now */
    w.c = db_open(&w.d);
    const struct cancel_input in = {.session_id = world_id(&w.d, "s1"), .reason = "why"};
    struct onlooker o = {.d = &w.d,
                         .holder = PQconnectdb(w.d.conninfo),
                         .locked_sql = waits[_i].locked,
                         .free_sql = waits[_i].free};
    struct err e = {.code = ERR_NONE};
    struct cancel_result r;
    pthread_t thread;
    PQclear(PQexec(o.holder, "BEGIN"));
    PQclear(PQexec(o.holder, waits[_i].first));
    ck_assert_msg(PQtransactionStatus(o.holder) == PQTRANS_INTRANS, "%s: %s", what,
                  PQerrorMessage(o.holder));
    ck_assert_int_eq(pthread_create(&thread, NULL, look_on, &o), 0);
    assert_done(session_cancel(w.c, &in, w.a, &r, &e), &e, what);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    PQfinish(o.holder);
    ck_assert_msg(o.locked == 0, "%s: what came before is not locked", what);
    ck_assert_msg(o.free == 1, "%s: what comes later is locked before", what);
    world_expect(&w.d, "SELECT status FROM sessions WHERE name = 's1'", "CANCELLED", what);
    world_check(&w.d, what);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cancel_locks");
    TCase *tc = tcase_create("cancel_locks");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, cancel_locks_as_tabled, 0, ARRAY_SIZE(waits));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
