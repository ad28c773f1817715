/* test_schedule_lease.c - rounds under their lease and epoch: held by another, lost, kept, without
 * Redis; on a real PostgreSQL and Redis. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "repo/lease.h"
#include "repo/scaling_group.h"
#include "server/clock.h"
#include "server/convert.h"
#include "tests/rpc/service.h"

static struct db db;

static void setup(void)
{
    db = world_create();
    service_up(&db, NULL, NULL);
}

static const char queue[] = "SELECT t.session('fits', 2, 1073741824);"
                            "SELECT t.session('pair', 4, 1073741824, 2, mode => 'multi-node');"
                            "SELECT t.session('waits', 8, 1024);"
                            "SELECT t.session('never', 99, 1024);"
                            "SELECT t.session('other', 1, 1024, grp => 'g2');";

START_TEST(schedule_leaves_a_group_to_the_holder_of_its_lease)
{
    struct err e = {.code = ERR_NONE};
    struct lease lease;
    struct reply r = {.body = NULL};
    char text[8192], field[256];
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    world_do(&db, queue);
    assert_done(lease_acquire(redis, "g1", "other-replica", 60000, &lease, &e), &e,
                "take the lease");
    char *before = db_fingerprint(&db);
    client_schedule(service_client(), "g1", &r);
    ck_assert_code(&r, GRPC_STATUS_ABORTED, "a busy group");
    ck_assert_str_eq(reply_info(&r, NULL, text), "LEASE_BUSY");
    ck_assert_str_eq(reply_info(&r, "holder", text), "other-replica");
    ck_assert_msg(reply_detail(&r, "RetryInfo", field), "no RetryInfo");
    ck_assert_str_eq(db_fingerprint(&db), before);
    schedule("g2", "another group meanwhile");
    assert_done(lease_release(redis, &lease, &e), &e, "release the lease");
    ck_assert_uint_eq(schedule("g1", "afterwards")->counts->scheduled, 2);
    reply_free(&r);
    service_down();
}
END_TEST

START_TEST(schedule_releases_the_lease_whatever_happens)
{
    struct err e = {.code = ERR_NONE};
    char holder[LEASE_TEXT];
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    schedule("g1", "a good round");
    assert_done(lease_holder(redis, "g1", holder, &e), &e, "ask for the holder");
    ck_assert_str_eq(holder, "");
    db_sql(&db, "UPDATE scaling_groups SET scheduler = 'best'");
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = convert_text("g1");
    call_fails(SCHEDULE_PATH, &q.base, GRPC_STATUS_FAILED_PRECONDITION, "UNKNOWN_SCHEDULER", NULL,
               "a bad round");
    assert_done(lease_holder(redis, "g1", holder, &e), &e, "ask for the holder");
    ck_assert_str_eq(holder, "");
    service_down();
}
END_TEST

START_TEST(schedule_does_without_redis)
{
    service_down();
    service_up(&db, "unix:/nowhere", (const char *const[]){"--redis-timeout=50ms", NULL});
    world_do(&db, queue);
    Berth__V1__ScheduleScalingGroupResponse *a = schedule("g1", "without Redis");
    ck_assert_uint_eq(a->counts->scheduled, 2);
    world_check(&db, "without Redis");
    service_down();
}
END_TEST

/* Holds the row of a session, so that a commit waits for it. */
static PGconn *hold_row(const char *name)
{
    char sql[200];
    PGconn *c = PQconnectdb(db.conninfo);
    (void)snprintf(sql, sizeof(sql),
                   "BEGIN; SELECT 1 FROM sessions WHERE id = t.id('%s') FOR UPDATE", name);
    PGresult *r = PQexec(c, sql);
    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "hold a row: %s", PQerrorMessage(c));
    PQclear(r);
    return c;
}

static void let_go(PGconn *c)
{
    PQclear(PQexec(c, "COMMIT"));
    PQfinish(c);
}

static const char someone_waits[] =
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
    "current_database()";

static void *call_in_thread(void *arg)
{
    client_schedule(service_client(), "g1", arg);
    return NULL;
}

START_TEST(schedule_writes_nothing_under_an_old_epoch)
{
    struct reply r = {.body = NULL};
    char text[8192], field[256];
    pthread_t thread;
    int64_t epoch;
    struct uuid round = {{9}};
    struct err e = {.code = ERR_NONE};
    CLEANUP(pg_closep) struct pg *c = db_open(&db);
    world_do(&db, queue);
    PGconn *held = hold_row("fits");
    pthread_create(&thread, NULL, call_in_thread, &r);
    db_await(&db, someone_waits, "the commit waits for the row");
    assert_done(scaling_group_take_epoch(c, "g1", &round, &epoch, &e), &e, "take over");
    let_go(held);
    pthread_join(thread, NULL);
    ck_assert_code(&r, GRPC_STATUS_ABORTED, "an old epoch");
    ck_assert_str_eq(reply_info(&r, NULL, text), "FENCED");
    ck_assert_msg(reply_detail(&r, "RetryInfo", field), "no RetryInfo");
    assert_status(&db, "fits", "PENDING", "after the fence");
    assert_status(&db, "pair", "PENDING", "after the fence");
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events"), 0);
    world_check(&db, "after the fence");
    reply_free(&r);
    service_down();
}
END_TEST

START_TEST(schedule_does_nothing_by_halves_when_its_deadline_passes)
{
    struct reply r = {.body = NULL};
    uint8_t bytes[64];
    world_do(&db, queue);
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = convert_text("g1");
    const size_t n = berth__v1__schedule_scaling_group_request__pack(&q, bytes);
    PGconn *held = hold_row("pair");
    client_call(service_client(), SCHEDULE_PATH, bytes, n, 300, &r);
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "a call of 300 ms");
    db_await(&db,
             "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
             "datname = current_database()",
             "the commit gives up");
    let_go(held);
    assert_status(&db, "fits", "PENDING", "after the deadline");
    assert_status(&db, "pair", "PENDING", "after the deadline");
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events"), 0);
    world_check(&db, "after the deadline");
    ck_assert_uint_eq(schedule("g1", "the next round")->counts->scheduled, 2);
    reply_free(&r);
    service_down();
}
END_TEST

START_TEST(schedule_keeps_its_lease_while_the_round_is_long)
{
    struct reply r = {.body = NULL};
    pthread_t thread;
    struct err e = {.code = ERR_NONE};
    char holder[LEASE_TEXT];
    struct lease lease;
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    service_down();
    service_up(&db, NULL, (const char *const[]){"--lease-ttl=500ms", "--replica=me", NULL});
    world_do(&db, queue);
    PGconn *held = hold_row("fits");
    pthread_create(&thread, NULL, call_in_thread, &r);
    db_await(&db, someone_waits, "the commit waits for the row");
    int64_t until = clock_ns() + 1500 * NS_PER_MS; /* three lives */
    while (clock_ns() < until) {
        assert_done(lease_holder(redis, "g1", holder, &e), &e, "ask for the holder");
        ck_assert_str_eq(holder, "me");
        (void)poll(NULL, 0, 10);
    }
    assert_failed(lease_acquire(redis, "g1", "you", 1000, &lease, &e), &e, ERR_CONFLICT,
                  "LEASE_BUSY", "a lease that is held");
    let_go(held);
    pthread_join(thread, NULL);
    ck_assert_code(&r, GRPC_STATUS_OK, "a long round");
    assert_done(lease_holder(redis, "g1", holder, &e), &e, "ask for the holder");
    ck_assert_str_eq(holder, "");
    reply_free(&r);
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule_lease");
    TCase *tc = tcase_create("schedule_lease");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, schedule_leaves_a_group_to_the_holder_of_its_lease);
    tcase_add_test(tc, schedule_releases_the_lease_whatever_happens);
    tcase_add_test(tc, schedule_does_without_redis);
    tcase_add_test(tc, schedule_writes_nothing_under_an_old_epoch);
    tcase_add_test(tc, schedule_does_nothing_by_halves_when_its_deadline_passes);
    tcase_add_test(tc, schedule_keeps_its_lease_while_the_round_is_long);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
