/* test_cancel.c - CancelSession over loopback, on a real PostgreSQL and Redis. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "server/clock.h"
#include "tests/rpc/service.h"

typedef Berth__V1__CancelSessionResponse answer;

static struct db db;

static void setup(void)
{
    db = world_create();
    service_up(&db, NULL, NULL);
}

static Berth__V1__CancelSessionRequest request_for(const char *name)
{
    Berth__V1__CancelSessionRequest q = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    q.session_id = id_text(&db, name);
    return q;
}

static answer *call(const Berth__V1__CancelSessionRequest *q, const char *what)
{
    return call_ok(CANCEL_PATH, &q->base, &berth__v1__cancel_session_response__descriptor, what);
}

/* --- what is refused ---------------------------------------------------------------------------
 */

#define X64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X64 X64

static const struct {
    const char *what, *session_id, *reason_given, *request_id;
    grpc_status_code code;
    const char *reason, *field;
} bad[] = {
    {"no session", "", "", "", GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "session_id"},
    {"a session by name", "s1", "", "", GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "session_id"},
    {"an id without dashes", "0123456789abcdef0123456789abcdef0123", "", "",
     GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "session_id"},
    {"a reason of 257 characters", "00000000-0000-0000-0000-000000000001", X128 X128 "x", "",
     GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "reason"},
    {"a request id of 129 characters", "00000000-0000-0000-0000-000000000001", "", X128 "x",
     GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "request_id"},
    {"a reason that is not UTF-8", "00000000-0000-0000-0000-000000000001", "\xff", "",
     GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "reason"},
    {"an unknown session", "00000000-0000-0000-0000-000000000001", "", "", GRPC_STATUS_NOT_FOUND,
     "UNKNOWN_SESSION", NULL},
    {"an unknown session, once only", "00000000-0000-0000-0000-000000000001", "", "id",
     GRPC_STATUS_NOT_FOUND, "UNKNOWN_SESSION", NULL},
};

START_TEST(cancel_refuses_what_it_cannot_do)
{
    Berth__V1__CancelSessionRequest q = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    q.session_id = (char *)(uintptr_t)bad[_i].session_id;
    q.reason = (char *)(uintptr_t)bad[_i].reason_given;
    q.request_id = (char *)(uintptr_t)bad[_i].request_id;
    char *before = db_fingerprint(&db);
    call_fails(CANCEL_PATH, &q.base, bad[_i].code, bad[_i].reason, bad[_i].field, bad[_i].what);
    ck_assert_str_eq(db_fingerprint(&db), before);
    service_down();
}
END_TEST

/* --- every state -------------------------------------------------------------------------------
 */

static const struct {
    const char *what;
    const char *status; /* of the session before; placed on a1 unless PENDING */
    const char *after;
    bool terminal, releases;
    int events;
} states[] = {
    {"a pending session", "PENDING", "CANCELLED", false, false, 1},
    {"a scheduled session", "SCHEDULED", "CANCELLED", false, true, 1},
    {"a preparing session", "PREPARING", "TERMINATING", false, false, 1},
    {"a running session", "RUNNING", "TERMINATING", false, false, 1},
    {"a terminating session", "TERMINATING", "TERMINATING", false, false, 0},
    {"a cancelled session", "CANCELLED", "CANCELLED", true, false, 0},
    {"a terminated session", "TERMINATED", "TERMINATED", true, false, 0},
};

START_TEST(cancel_does_what_the_state_asks_for_and_only_once)
{
    char sql[200];
    world_do(&db, "SELECT t.session('s', 1.5, 1024, 2)");
    if (strcmp(states[_i].status, "PENDING") != 0) {
        (void)snprintf(sql, sizeof(sql), "SELECT t.place('s', 'a1', '%s')", states[_i].status);
        world_do(&db, sql);
    }
    if (states[_i].terminal)
        db_sql(&db, "UPDATE agent_resources SET reserved = 0, used = 0; UPDATE "
                    "resource_allocations SET free_at = now()");
    Berth__V1__CancelSessionRequest q = request_for("s");
    answer *a = call(&q, states[_i].what);
    ck_assert_str_eq(a->session_id, q.session_id);
    ck_assert_str_eq(a->previous_status, states[_i].status);
    ck_assert_str_eq(a->status, states[_i].after);
    ck_assert_msg(a->already_terminal == states[_i].terminal, "%s: already_terminal is %d",
                  states[_i].what, a->already_terminal);
    ck_assert_uint_eq(a->n_released, states[_i].releases ? 2 : 0);
    if (states[_i].releases) { /* both kernels */
        ck_assert_str_eq(a->released[0]->slot, "cpu");
        ck_assert_str_eq(a->released[0]->amount, "3");
        ck_assert_str_eq(a->released[1]->slot, "mem");
        ck_assert_str_eq(a->released[1]->amount, "2048");
    }
    assert_status(&db, "s", states[_i].after, states[_i].what);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events"), states[_i].events);
    world_check(&db, states[_i].what);

    char *rows = db_fingerprint(&db);
    a = call(&q, "a second time");
    ck_assert_str_eq(a->status, states[_i].after);
    ck_assert_str_eq(db_fingerprint(&db), rows);
    service_down();
}
END_TEST

START_TEST(cancel_records_the_reason)
{
    char text[400];
    world_do(&db, "SELECT t.session('s1', 1, 1024), t.session('s2', 1, 1024)");
    Berth__V1__CancelSessionRequest q = request_for("s1");
    call(&q, "without a reason");
    q = request_for("s2");
    q.reason = (char *)"no longer \xed\x95\x84\xec\x9a\x94 \"needed\"";
    call(&q, "with a reason");
    db_text(&db, "SELECT status_info FROM sessions WHERE id = t.id('s1')", text, sizeof(text));
    ck_assert_str_eq(text, "user-requested");
    db_text(&db, "SELECT status_info FROM sessions WHERE id = t.id('s2')", text, sizeof(text));
    ck_assert_str_eq(text, q.reason);
    db_text(&db, "SELECT reason FROM berth.events WHERE session_id = t.id('s2')", text,
            sizeof(text));
    ck_assert_str_eq(text, q.reason);
    service_down();
}
END_TEST

/* --- idempotency -------------------------------------------------------------------------------
 */

static void raw_call(const Berth__V1__CancelSessionRequest *q, struct reply *ret)
{
    client_call_message(service_client(), CANCEL_PATH, &q->base, ret);
}

START_TEST(cancel_answers_a_request_id_with_the_same_bytes)
{
    struct reply first = {.body = NULL}, again = {.body = NULL};
    world_do(&db, "SELECT t.session('s', 1, 1024)");
    Berth__V1__CancelSessionRequest q = request_for("s");
    q.request_id = (char *)"once";
    raw_call(&q, &first);
    ck_assert_code(&first, GRPC_STATUS_OK, "the first call");
    q.reason = (char *)"user-requested"; /* what was meant, said */
    for (char *c = q.session_id; *c != '\0'; c++)
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c); /* the same session */
    raw_call(&q, &again);
    ck_assert_code(&again, GRPC_STATUS_OK, "the second call");
    ck_assert_msg(first.n_body == again.n_body && memcmp(first.body, again.body, first.n_body) == 0,
                  "the answers differ");
    q.reason = (char *)"another";
    call_fails(CANCEL_PATH, &q.base, GRPC_STATUS_ALREADY_EXISTS, "REQUEST_ID_REUSED", NULL,
               "another reason");
    reply_free(&first);
    reply_free(&again);
    service_down();
}
END_TEST

struct racer {
    pthread_t thread;
    const Berth__V1__CancelSessionRequest *request;
    struct reply reply;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    raw_call(r->request, &r->reply);
    return NULL;
}

START_TEST(cancel_answers_all_who_ask_at_once_alike)
{
    struct racer racers[8] = {{0}};
    world_do(&db, "SELECT t.session('s', 1, 1024)");
    Berth__V1__CancelSessionRequest q = request_for("s");
    q.request_id = (char *)"race";
    for (size_t i = 0; i < ARRAY_SIZE(racers); i++) {
        racers[i].request = &q;
        pthread_create(&racers[i].thread, NULL, race, &racers[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(racers); i++)
        pthread_join(racers[i].thread, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(racers); i++) {
        ck_assert_code(&racers[i].reply, GRPC_STATUS_OK, "one of eight");
        ck_assert_msg(
            racers[i].reply.n_body == racers[0].reply.n_body &&
                memcmp(racers[i].reply.body, racers[0].reply.body, racers[0].reply.n_body) == 0,
            "answer %zu differs", i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(racers); i++)
        reply_free(&racers[i].reply);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events"), 1);
    service_down();
}
END_TEST

/* --- beside rounds -----------------------------------------------------------------------------
 */

static void *schedule_often(void *arg)
{
    struct client *c = client_open(arg);
    for (int i = 0; i < 5; i++) {
        struct reply r = {.body = NULL};
        client_schedule(c, "g1", &r);
        reply_free(&r);
    }
    client_close(c);
    return NULL;
}

START_TEST(cancel_is_final_whatever_rounds_do_meanwhile)
{
    enum { SESSIONS = 40 };
    pthread_t thread;
    world_do(&db, "SELECT t.session('s' || i, 0.1, 1024) FROM generate_series(1, 40) i");
    pthread_create(&thread, NULL, schedule_often, service_address());
    for (int i = 1; i <= SESSIONS; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "s%d", i);
        Berth__V1__CancelSessionRequest q = request_for(name);
        ck_assert_str_eq(call(&q, name)->status, "CANCELLED");
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM sessions WHERE status = 'CANCELLED'"),
                     SESSIONS);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM agent_resources WHERE reserved <> 0"), 0);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events WHERE type = 3"), SESSIONS);
    world_check(&db, "after all were cancelled");
    service_down();
}
END_TEST

START_TEST(cancel_mirrors_the_counters)
{
    world_do(&db, "SELECT t.session('s1', 1, 1024), t.session('s2', 1, 1024)");
    redisContext *r = redisConnectUnix(redis_address() + strlen("unix:"));
    freeReplyObject(redisCommand(r, "FLUSHALL")); /* newer numbers of other tests */
    schedule("g1", "two sessions");
    redisReply *two = redisCommand(r, "GET keypair.concurrency_used.AK1");
    ck_assert_msg(two->type == REDIS_REPLY_STRING && strcmp(two->str, "2") == 0,
                  "after the round: %s", two->str);
    Berth__V1__CancelSessionRequest q = request_for("s1");
    call(&q, "one of two");
    redisReply *one = redisCommand(r, "GET keypair.concurrency_used.AK1");
    ck_assert_msg(one->type == REDIS_REPLY_STRING && strcmp(one->str, "1") == 0,
                  "after the cancel: %s", one->str);
    freeReplyObject(two);
    freeReplyObject(one);
    redisFree(r);
    service_down();
}
END_TEST

START_TEST(cancel_does_without_redis)
{
    service_down();
    service_up(&db, "unix:/nowhere", (const char *const[]){"--redis-timeout=50ms", NULL});
    world_do(&db, "SELECT t.session('s', 1, 1024)");
    Berth__V1__CancelSessionRequest q = request_for("s");
    ck_assert_str_eq(call(&q, "without Redis")->status, "CANCELLED");
    service_down();
}
END_TEST

START_TEST(cancel_says_that_the_database_is_away)
{
    struct db nowhere = {.conninfo = "host=/nowhere dbname=none"};
    Berth__V1__CancelSessionRequest q = request_for("s");
    char id[UUID_TEXT];
    (void)snprintf(id, sizeof(id), "%s", q.session_id);
    q.session_id = id;
    service_down();
    service_up(&nowhere, NULL, NULL);
    call_fails(CANCEL_PATH, &q.base, GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", NULL,
               "no database");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cancel");
    TCase *tc = tcase_create("cancel");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, cancel_refuses_what_it_cannot_do, 0, ARRAY_SIZE(bad));
    tcase_add_loop_test(tc, cancel_does_what_the_state_asks_for_and_only_once, 0,
                        ARRAY_SIZE(states));
    tcase_add_test(tc, cancel_records_the_reason);
    tcase_add_test(tc, cancel_answers_a_request_id_with_the_same_bytes);
    tcase_add_test(tc, cancel_answers_all_who_ask_at_once_alike);
    tcase_add_test(tc, cancel_is_final_whatever_rounds_do_meanwhile);
    tcase_add_test(tc, cancel_mirrors_the_counters);
    tcase_add_test(tc, cancel_does_without_redis);
    tcase_add_test(tc, cancel_says_that_the_database_is_away);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
