/* test_gone.c - a client that leaves while its statement waits in the database frees the executor,
 * and one whose deadline passes is told so. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/uuid.h"
#include "tests/repo/world.h"
#include "tests/rpc/berthd.h"

#define WAITING                                                                                    \
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "      \
    "current_database()"

/* Longer than anything the test waits for: a deadline must not be what frees the executor. */
enum { PATIENT_MS = 10 * SOON_MS };

static struct db db;
static PGconn *locker;
static struct client *client;

/* berthd with one executor, and s1 locked by somebody else. */
static void setup(void)
{
    char database[256];
    char redis[256];
    (void)signal(SIGPIPE, SIG_IGN);
    db = world_create();
    world_do(&db, "SELECT t.session('s1', 1, 1, 1)");
    locker = PQconnectdb(db.conninfo);
    ck_assert_int_eq(PQstatus(locker), CONNECTION_OK);
    PQclear(PQexec(locker, "BEGIN"));
    PQclear(PQexec(locker, "SELECT id FROM sessions WHERE id = t.id('s1') FOR UPDATE"));
    ck_assert_int_eq(PQtransactionStatus(locker), PQTRANS_INTRANS);
    (void)snprintf(database, sizeof(database), "--database=%s", db.conninfo);
    (void)snprintf(redis, sizeof(redis), "--redis=%s", redis_address());
    const char *address = berthd_serve(
        (const char *[]){database, redis, "--executors=1", "--grace-period=200ms", NULL});
    client_setup();
    client = client_open(address);
}

static void teardown(void)
{
    PQfinish(locker);
    client_close(client);
    grpc_shutdown_blocking();
    berthd_cleanup();
}

static struct call_handle *cancel_locked_session(int64_t deadline_ms)
{
    char id[UUID_TEXT];
    struct uuid u = world_id(&db, "s1");
    Berth__V1__CancelSessionRequest q = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    q.session_id = uuid_format(&u, id);
    struct call_handle *k = call_begin(client, CANCEL_PATH, deadline_ms);
    call_send_message(k, &q.base);
    call_close_send(k);
    return k;
}

/* The only executor is free again: another call that needs it is answered. */
static void expect_free(void)
{
    struct reply r;
    client_call(client, "/berth.v1.SchedulerService/ListScalingGroups", "", 0, 0, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "a call that needs the executor");
    reply_free(&r);
}

START_TEST(client_that_leaves_frees_the_executor)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = cancel_locked_session(PATIENT_MS);
    db_await(&db, WAITING, "the statement to wait for the lock");
    call_cancel_now(k);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_CANCELLED, "a cancelled call");
    reply_free(&r);
    expect_free();
    db_await(&db, "SELECT NOT (" WAITING ")", "the backend to give up too");
    world_expect(&db, "SELECT status FROM sessions WHERE id = t.id('s1')", "PENDING",
                 "the session of a call that was given up");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(deadline_that_passes_frees_the_executor)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = cancel_locked_session(500);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "a call of 500 ms");
    reply_free(&r);
    expect_free();
    PQclear(PQexec(locker, "ROLLBACK"));
    world_expect(&db, "SELECT status FROM sessions WHERE id = t.id('s1')", "PENDING",
                 "the session of a call that came too late");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(drain_gives_up_what_waits_in_the_database_after_the_grace)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = cancel_locked_session(PATIENT_MS);
    db_await(&db, WAITING, "the statement to wait for the lock");
    ck_assert_int_eq(berthd_end(), 0); /* within the patience of berthd_end() */
    call_end(k, &r);
    ck_assert_int_ne(r.code, GRPC_STATUS_OK);
    reply_free(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gone");
    TCase *tc = tcase_create("gone");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, client_that_leaves_frees_the_executor);
    tcase_add_test(tc, deadline_that_passes_frees_the_executor);
    tcase_add_test(tc, drain_gives_up_what_waits_in_the_database_after_the_grace);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS);
}
