/* test_cancel.c - CancelSession over loopback, on a real PostgreSQL and Redis. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

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

/* --- many that wait ----------------------------------------------------------------------------
 */

static void sql(PGconn *c, const char *text)
{
    PGresult *r = PQexec(c, text);
    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK,
                  "%s: %s", text, PQerrorMessage(c));
    PQclear(r);
}

static const struct {
    const char *session, *request_id, *reason;
    grpc_status_code code;
    const char *previous, *status;
    unsigned n_released;
} waiting[] = {
    {"p1", "", "", GRPC_STATUS_OK, "PENDING", "CANCELLED", 0},
    {"p2", "", "too slow", GRPC_STATUS_OK, "PENDING", "CANCELLED", 0},
    {"scheduled", "", "", GRPC_STATUS_OK, "SCHEDULED", "CANCELLED", 2},
    {"running", "", "", GRPC_STATUS_OK, "RUNNING", "TERMINATING", 0},
    {"nobody", "", "", GRPC_STATUS_NOT_FOUND, NULL, NULL, 0},
    {"gone", "", "", GRPC_STATUS_OK, "CANCELLED", "CANCELLED", 0},
    {"p1", "", "again", GRPC_STATUS_OK, "CANCELLED", "CANCELLED", 0}, /* finds the first one's */
    {"p3", "once", "", GRPC_STATUS_OK, "PENDING", "CANCELLED", 0},
    {"scheduled2", "", "", GRPC_STATUS_OK, "SCHEDULED", "CANCELLED", 2},
};

static struct call_handle *begin_cancel(const char *session, const char *request_id,
                                        const char *reason)
{
    Berth__V1__CancelSessionRequest q = request_for(session);
    q.request_id = (char *)(uintptr_t)request_id;
    q.reason = (char *)(uintptr_t)reason;
    struct call_handle *k = call_begin(service_client(), CANCEL_PATH, 0);
    call_send_message(k, &q.base);
    call_close_send(k);
    return k;
}

static void end_cancel(struct call_handle *k, size_t i)
{
    const char *name = waiting[i].session;
    struct reply r = {.body = NULL};
    uint8_t *body = NULL;
    size_t n = 0;
    const bool answered = call_receive(k, &body, &n);
    call_end(k, &r);
    ck_assert_code(&r, waiting[i].code, name);
    ck_assert_msg(answered == (r.code == GRPC_STATUS_OK), "%s: an answer: %d", name, answered);
    if (answered) {
        const answer *a = from_bytes(&berth__v1__cancel_session_response__descriptor, body, n);
        ck_assert_msg(strcmp(a->previous_status, waiting[i].previous) == 0 &&
                          strcmp(a->status, waiting[i].status) == 0 &&
                          a->n_released == waiting[i].n_released,
                      "%s: from %s to %s, %zu slots released", name, a->previous_status, a->status,
                      a->n_released);
        ck_assert_str_eq(a->session_id, id_text(&db, name));
    }
    free(body);
    reply_free(&r);
}

static bool one_waits_for_a_lock(void *ctx)
{
    (void)ctx;
    return db_int(&db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                       "datname = current_database()") == 1;
}

/* The first cancel waits for a lock; those that queue behind it are done in one transaction. */
START_TEST(cancels_that_wait_are_done_together_each_as_if_alone)
{
    struct call_handle *calls[ARRAY_SIZE(waiting)];
    service_down();
    service_up(&db, NULL, (const char *const[]){"--executors=1", NULL});
    world_do(&db,
             "SELECT t.session('first', 1, 1024), t.session('p1', 1, 1024), t.session('p2', 1, "
             "1024), t.session('p3', 1, 1024), t.session('scheduled', 1, 1024), t.session("
             "'scheduled2', 2, 1024), t.session('running', 1, 1024), t.session('gone', 1, 1024), "
             "t.place('scheduled', 'a1', 'SCHEDULED'), t.place('scheduled2', 'a2', 'SCHEDULED'), "
             "t.place('running', 'a1', 'RUNNING')");
    Berth__V1__CancelSessionRequest q = request_for("gone");
    call(&q, "the one that is gone");
    PGconn *c = PQconnectdb(db.conninfo);
    sql(c, "BEGIN; SELECT 1 FROM sessions WHERE name = 'first' FOR UPDATE");
    struct call_handle *first = begin_cancel("first", "", "");
    await_true(one_waits_for_a_lock, NULL, "the first cancel to wait");
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
        calls[i] = begin_cancel(waiting[i].session, waiting[i].request_id, waiting[i].reason);
    sql(c, "COMMIT");
    PQfinish(c);
    struct reply r = {.body = NULL};
    call_end(first, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "the first");
    reply_free(&r);
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
        end_cancel(calls[i], i);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events"), 8);
    ck_assert_int_eq(db_int(&db, "SELECT max(sequence) FROM berth.events"), 8);
    /* gone, first, p3 alone for its id, and all others with one look at the clock */
    ck_assert_int_eq(db_int(&db, "SELECT count(DISTINCT created_at) FROM berth.events"), 4);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM sessions WHERE status_info = 'too slow'"),
                     1);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM session_scheduling_history"), 8);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.requests"), 1);
    world_check(&db, "after cancels that were done together");
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
    tcase_add_test(tc, cancels_that_wait_are_done_together_each_as_if_alone);
    tcase_add_test(tc, cancel_mirrors_the_counters);
    tcase_add_test(tc, cancel_does_without_redis);
    tcase_add_test(tc, cancel_says_that_the_database_is_away);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
