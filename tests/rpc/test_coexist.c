/* test_coexist.c - beside a manager that schedules too: neither works while the other does. */
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "repo/manager_lock.h"
#include "tests/rpc/service.h"

DEFINE_CLEANUP(PGconn, PQfinish)

#define HERE " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

static struct db db;
static struct err e;

#define ON "--coexist=manager-lock"

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    db = world_create();
    world_do(&db, "SELECT t.session('s1', 1, 1)");
}

/* A manager, as far as its lock goes. */
static PGconn *manager(void)
{
    PGconn *c = PQconnectdb(db.conninfo);
    ck_assert_int_eq(PQstatus(c), CONNECTION_OK);
    return c;
}

static void tell(PGconn *c, const char *sql)
{
    PGresult *r = PQexec(c, sql);
    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
}

static void call_is_aborted(const char *reason, const char *what)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = (char *)"g1";
    call_fails(SCHEDULE_PATH, &q.base, GRPC_STATUS_ABORTED, reason, NULL, what);
}

#define HELD "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 230" HERE

START_TEST(off_takes_no_lock_and_waits_for_none)
{
    CLEANUP(PQfinishp) PGconn *m = manager();
    tell(m, "SELECT pg_advisory_lock(230)");
    service_up(&db, NULL, NULL);
    schedule("g1", "off");
    assert_status(&db, "s1", "SCHEDULED", "off");
    service_down();
}
END_TEST

START_TEST(round_does_nothing_while_a_manager_schedules)
{
    CLEANUP(PQfinishp) PGconn *m = manager();
    service_up(&db, NULL, (const char *[]){ON, "--coexist-wait=200ms", NULL});
    tell(m, "SELECT pg_advisory_lock(230)");
    char *before = db_fingerprint(&db);
    call_is_aborted("MANAGER_BUSY", "a manager's pass");
    ck_assert_str_eq(db_fingerprint(&db), before);
    tell(m, "SELECT pg_advisory_unlock(230)");
    schedule("g1", "after it");
    assert_status(&db, "s1", "SCHEDULED", "after it");
    db_await(&db, "SELECT NOT (" HELD ")", "the lock is given back");
    service_down();
}
END_TEST

static void *unlock_when_somebody_waits(void *m)
{
    db_await(&db,
             "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted" HERE,
             "a round waits");
    PQclear(PQexec(m, "SELECT pg_advisory_unlock(230)"));
    return NULL;
}

START_TEST(round_waits_for_a_managers_pass_to_end)
{
    pthread_t thread;
    CLEANUP(PQfinishp) PGconn *m = manager();
    service_up(&db, NULL, (const char *[]){ON, NULL});
    tell(m, "SELECT pg_advisory_lock(230)");
    ck_assert_int_eq(pthread_create(&thread, NULL, unlock_when_somebody_waits, m), 0);
    schedule("g1", "a pass that ends");
    pthread_join(thread, NULL);
    assert_status(&db, "s1", "SCHEDULED", "a pass that ends");
    service_down();
}
END_TEST

/* --- the lock itself --- */

static struct manager_lock *lock_of(const struct db *d)
{
    struct manager_lock *l = NULL;
    assert_done(manager_lock_create(d->conninfo, &l, &e), &e, "create");
    return l;
}

START_TEST(rounds_do_not_exclude_each_other_but_a_manager)
{
    CLEANUP(PQfinishp) PGconn *m = manager();
    CLEANUP(manager_lock_destroyp) struct manager_lock *a = lock_of(&db), *b = lock_of(&db);
    assert_done(manager_lock_take(a, in_ms(2000), &e), &e, "one round");
    assert_done(manager_lock_take(b, in_ms(2000), &e), &e, "another round");
    tell(m, "SET lock_timeout = 100; SELECT 1");
    PGresult *r = PQexec(m, "SELECT pg_advisory_lock(230)");
    ck_assert_str_eq(PQresultErrorField(r, PG_DIAG_SQLSTATE), "55P03");
    PQclear(r);
    manager_lock_release(a);
    manager_lock_release(b);
    tell(m, "SELECT pg_advisory_lock(230)");
    assert_failed(manager_lock_take(a, in_ms(100), &e), &e, ERR_CONFLICT, "MANAGER_BUSY", "busy");
    ck_assert_int_gt(e.retry_after_ms, 0);
    assert_failed(manager_lock_take(a, in_ms(-5), &e), &e, ERR_CONFLICT, "MANAGER_BUSY", "late");
}
END_TEST

START_TEST(lock_that_was_lost_is_noticed)
{
    CLEANUP(manager_lock_destroyp) struct manager_lock *l = lock_of(&db);
    assert_done(manager_lock_check(NULL, &e), &e, "none is needed");
    assert_failed(manager_lock_check(l, &e), &e, ERR_CONFLICT, "MANAGER_LOCK_LOST", "never taken");
    assert_done(manager_lock_take(l, in_ms(2000), &e), &e, "take");
    assert_done(manager_lock_check(l, &e), &e, "held");
    db_sql(&db, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
                "objid = 230");
    assert_failed(manager_lock_check(l, &e), &e, ERR_CONFLICT, "MANAGER_LOCK_LOST", "ended");
    assert_done(manager_lock_take(l, in_ms(2000), &e), &e, "again");
    assert_done(manager_lock_check(l, &e), &e, "held again");
}
END_TEST

static int lose(void *ctx, struct err *why)
{
    (void)ctx;
    return err_set(why, ERR_CONFLICT, "MANAGER_LOCK_LOST", "lost");
}

START_TEST(commit_without_the_lock_writes_nothing)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 1)");
    struct plan *p = world_plan(w.s, w.a);
    struct commit_result done;
    plan_place(p, w.s, "s1", "a1");
    struct commit_input in = world_commit(w.c, w.s, p);
    in.guard = lose;
    assert_failed(plan_commit(w.c, &in, w.a, &done, &e), &e, ERR_CONFLICT, "MANAGER_LOCK_LOST",
                  "lost before the commit");
    world_expect(&w.d, "SELECT status FROM sessions", "PENDING", "the session");
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.events"), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("coexist");
    TCase *tc = tcase_create("coexist");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, off_takes_no_lock_and_waits_for_none);
    tcase_add_test(tc, round_does_nothing_while_a_manager_schedules);
    tcase_add_test(tc, round_waits_for_a_managers_pass_to_end);
    tcase_add_test(tc, rounds_do_not_exclude_each_other_but_a_manager);
    tcase_add_test(tc, lock_that_was_lost_is_noticed);
    tcase_add_test(tc, commit_without_the_lock_writes_nothing);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
