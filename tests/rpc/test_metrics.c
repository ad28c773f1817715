/* test_metrics.c - what berthd counts, as Prometheus sees it: after each kind of call the series
 * that changed, exactly and no others. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "repo/lease.h"
#include "scheduler/base.h"
#include "tests/rpc/metrics_world.h"
#include "tests/rpc/scrape.h"

static int start(void)
{
    return metrics_start("--event-poll=20ms", NULL, NULL);
}

static void assert_changes(const char *before, int port, const char *expected, const char *what)
{
    char *after = scrape(port);
    char *changes = scrape_changes(before, after);
    ck_assert_msg(strcmp(changes, expected) == 0, "%s: changed:\n%sexpected:\n%s", what, changes,
                  expected);
    free(changes);
    free(after);
}

/* --- what a call counts ------------------------------------------------------------------------
 */

#define SCHEDULED(code)                                                                            \
    "berth_rpc_total{method=\"ScheduleScalingGroup\",code=\"" code "\"} +1\n"                      \
    "berth_rpc_seconds_count{method=\"ScheduleScalingGroup\",code=\"" code "\"} +1\n"
#define CANCELLED(code)                                                                            \
    "berth_rpc_total{method=\"CancelSession\",code=\"" code "\"} +1\n"                             \
    "berth_rpc_seconds_count{method=\"CancelSession\",code=\"" code "\"} +1\n"
#define ROUND(outcome)     "berth_rounds_total{outcome=\"" outcome "\"} +1\n"
#define PHASE(name)        "berth_round_phase_seconds_count{phase=\"" name "\"} +1\n"
#define DECISIONS(name, n) "berth_decisions_total{outcome=\"" name "\"} +" n "\n"
#define CAUSES(outcome, kind, n)                                                                   \
    "berth_causes_total{outcome=\"" outcome "\",kind=\"" kind "\"} +" n "\n"
#define WAITED(n)         "berth_scheduled_wait_seconds_count +" n "\n"
#define LEASE(event)      "berth_lease_total{event=\"" event "\"} +1\n"
#define TAKEN             "berth_epochs_taken_total +1\n" LEASE("acquired")
#define RETRIES(state, n) "berth_commit_retries_total{sqlstate=\"" state "\"} +" n "\n"
#define PENDING(group, n) "berth_pending_sessions{group=\"" group "\"} =" n "\n"
#define DECIDING          PHASE("expire") PHASE("order") PHASE("validate") PHASE("place")
#define LOADED            "berth_round_loads_total{kind=\"full\"} +1\n"
#define PHASES            PHASE("lock") PHASE("load") DECIDING PHASE("commit") PHASE("publish") LOADED

enum { SCHEDULE, VALIDATE, CANCEL, UNKNOWN };

#define FAIL_ONCE(sqlstate)                                                                        \
    "CREATE SEQUENCE public.tries; CREATE FUNCTION public.fail_once() RETURNS trigger LANGUAGE "   \
    "plpgsql AS $$ BEGIN IF nextval('public.tries') <= 2 THEN RAISE 'again' USING ERRCODE = "      \
    "'" sqlstate                                                                                   \
    "'; END IF; RETURN NULL; END $$; CREATE TRIGGER fail_once AFTER UPDATE ON sessions "           \
    "FOR EACH STATEMENT EXECUTE FUNCTION public.fail_once();"

static const struct {
    const char *what, *sql; /* sql: run on the world first */
    int call;
    const char *on; /* group, or a session's name; NULL: an empty field */
    const char *changes;
} calls[] = {
    {"no group", "", SCHEDULE, NULL, SCHEDULED("INVALID_ARGUMENT")},
    {"a group that is not there", "", SCHEDULE, "nowhere",
     ROUND("refused") LEASE("acquired") SCHEDULED("NOT_FOUND")},
    {"a scheduler that is not there", "UPDATE scaling_groups SET scheduler = 'best'", SCHEDULE,
     "g1",
     ROUND("refused") PHASE("lock") PHASE("load") LOADED TAKEN SCHEDULED("FAILED_PRECONDITION")},
    {"no such session", "", CANCEL, "nobody", CANCELLED("NOT_FOUND")},
    {"a method that is not there", "", UNKNOWN, NULL,
     "berth_rpc_total{method=\"unknown\",code=\"UNIMPLEMENTED\"} +1\n"
     "berth_rpc_seconds_count{method=\"unknown\",code=\"UNIMPLEMENTED\"} +1\n"},
    {"another epoch at the commit",
     "SELECT t.session('s1', 1, 1024);"
     "CREATE FUNCTION public.take_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "
     "berth.group_state SET epoch = epoch + 1; RETURN NULL; END $$; CREATE TRIGGER take_over "
     "AFTER UPDATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION public.take_over();",
     SCHEDULE, "g1",
     ROUND("conflict") PHASES "berth_epoch_fenced_total +1\n" TAKEN SCHEDULED("ABORTED")},
    {"a round with nothing to do", "", SCHEDULE, "g2",
     ROUND("ok") PHASES TAKEN PENDING("g2", "0") SCHEDULED("OK")},
    {"a round of every kind of answer",
     "SELECT t.session('fits', 2, 1073741824);"
     "SELECT t.session('pair', 4, 1073741824, 2, mode => 'multi-node');"
     "SELECT t.session('waits', 8, 1024); SELECT t.session('never', 99, 1024);"
     "SELECT t.session('other', 1, 1024, grp => 'g2');",
     SCHEDULE, "g1",
     ROUND("ok") PHASES DECISIONS("SCHEDULED", "2") DECISIONS("WAITING", "1")
         DECISIONS("INFEASIBLE", "1") CAUSES("WAITING", "CAPACITY", "1") CAUSES(
             "INFEASIBLE", "INFEASIBLE", "1") WAITED("2") TAKEN PENDING("g1", "2") SCHEDULED("OK")},
    {"a round that writes nothing", "SELECT t.session('s1', 1, 1024)", VALIDATE, "g1",
     ROUND("planned") PHASE("load") DECIDING LOADED SCHEDULED("OK")},
    {"serialization failures", "SELECT t.session('s1', 1, 1024);" FAIL_ONCE("40001"), SCHEDULE,
     "g1",
     ROUND("ok") PHASES DECISIONS("SCHEDULED", "1") WAITED("1") RETRIES("40001", "2")
         TAKEN PENDING("g1", "0") SCHEDULED("OK")},
    {"a cancel", "SELECT t.session('s1', 1, 1024)", CANCEL, "s1", CANCELLED("OK")},
    {"deadlocks of a cancel", "SELECT t.session('s1', 1, 1024);" FAIL_ONCE("40P01"), CANCEL, "s1",
     RETRIES("40P01", "2") CANCELLED("OK")},
};

static void make_call(int call, const char *on, struct reply *r)
{
    Berth__V1__ScheduleScalingGroupRequest schedule =
        BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    Berth__V1__CancelSessionRequest cancel = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    char id[UUID_TEXT];
    if (call == UNKNOWN) {
        client_call(client, "/no.such/Method", "", 0, 0, r);
    } else if (call == CANCEL) {
        struct uuid u = world_id(&db, on);
        cancel.session_id = uuid_format(&u, id);
        client_call_message(client, CANCEL_PATH, &cancel.base, r);
    } else {
        schedule.scaling_group = (char *)(uintptr_t)(on != NULL ? on : "");
        schedule.validate_only = call == VALIDATE;
        client_call_message(client, SCHEDULE_PATH, &schedule.base, r);
    }
}

START_TEST(metrics_count_calls_as_tabled)
{
    struct reply r = {.body = NULL};
    int port = start();
    if (*calls[_i].sql != '\0')
        world_do(&db, calls[_i].sql);
    char *before = scrape(port);
    make_call(calls[_i].call, calls[_i].on, &r);
    assert_changes(before, port, calls[_i].changes, calls[_i].what);
    reply_free(&r);
    free(before);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(metrics_count_a_repeated_request_once)
{
    struct reply r = {.body = NULL};
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = (char *)"g1";
    q.request_id = (char *)"once";
    int port = start();
    world_do(&db, "SELECT t.session('s1', 1, 1024)");
    client_call_message(client, SCHEDULE_PATH, &q.base, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "the first call");
    reply_free(&r);
    char *before = scrape(port);
    client_call_message(client, SCHEDULE_PATH, &q.base, &r);
    assert_changes(before, port, ROUND("repeated") SCHEDULED("OK"), "the same request again");
    reply_free(&r);
    free(before);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(metrics_count_a_busy_lease)
{
    struct reply r = {.body = NULL};
    struct err e = {.code = ERR_NONE};
    struct lease lease;
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    int port = start();
    assert_done(lease_acquire(redis, "g1", "other-replica", 60000, &lease, &e), &e, "take it");
    char *before = scrape(port);
    make_call(SCHEDULE, "g1", &r);
    assert_changes(before, port, ROUND("conflict") LEASE("contended") SCHEDULED("ABORTED"),
                   "a busy lease");
    assert_done(lease_release(redis, &lease, &e), &e, "release it");
    reply_free(&r);
    free(before);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* A session that somebody else cancels between the plan and its commit. */
START_TEST(metrics_count_a_conflict_at_the_commit)
{
    struct reply r = {.body = NULL};
    int port = start();
    world_do(&db, "SELECT t.session('s1', 1, 1024); SELECT t.session('s2', 1, 1024)");
    char *before = scrape(port);
    PGconn *c = PQconnectdb(db.conninfo);
    PQclear(PQexec(c, "BEGIN; UPDATE sessions SET status = 'CANCELLED' WHERE id = t.id('s1')"));
    ck_assert_msg(PQtransactionStatus(c) == PQTRANS_INTRANS, "%s", PQerrorMessage(c));
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_send(k, "\n\002g1", 4); /* scaling_group: "g1" */
    db_await(&db,
             "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
             "datname = current_database()",
             "the commit waits for the row");
    char *during = scrape(port);
    ck_assert_msg(scrape_value(during, "berth_leases_held") == 1, "a round runs without a lease");
    ck_assert_msg(scrape_value(during, "berth_rpc_in_flight") == 1, "the call is not in flight");
    ck_assert_msg(scrape_value(during, "berth_executors_busy") == 1, "no executor is busy");
    PQclear(PQexec(c, "COMMIT"));
    PQfinish(c);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "the round");
    assert_changes(before, port,
                   ROUND("ok") PHASES DECISIONS("SCHEDULED", "1") DECISIONS("CONFLICT", "1")
                       CAUSES("CONFLICT", "CONFLICT", "1")
                           WAITED("1") "berth_commit_conflicts_total +1\n" TAKEN PENDING("g1", "1")
                               SCHEDULED("OK"),
                   "a lost session");
    reply_free(&r);
    free(during);
    free(before);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* --- groups ------------------------------------------------------------------------------------
 */

static void do_round(const char *group, grpc_status_code code)
{
    struct reply r = {.body = NULL};
    make_call(SCHEDULE, group, &r);
    ck_assert_code(&r, code, group);
    reply_free(&r);
}

START_TEST(metrics_follow_the_queue_of_each_group)
{
    static const char pending[] = "berth_pending_sessions{group=\"g1\"}";
    static const char oldest[] = "berth_oldest_pending_seconds{group=\"g1\"}";
    static const char seen[] = "berth_last_round_timestamp_seconds{group=\"g1\"}";
    int port = start();
    world_do(&db, "SELECT t.session('old', 99, 1024); SELECT t.session('new', 99, 1024);"
                  "UPDATE sessions SET status_history = '{}', created_at = now() - CASE WHEN id = "
                  "t.id('old') THEN interval '1 hour' ELSE interval '1 minute' END");
    do_round("g1", GRPC_STATUS_OK);
    char *text = scrape(port);
    ck_assert_msg(scrape_value(text, pending) == 2, "%s is not 2", pending);
    double age = scrape_value(text, oldest);
    ck_assert_msg(age >= 3600 && age < 3660, "%s is %f", oldest, age);
    double now = (double)db_int(&db, "SELECT extract(epoch FROM now())::bigint");
    double at = scrape_value(text, seen);
    ck_assert_msg(at > now - 60 && at < now + 60, "%s is %f", seen, at);
    free(text);
    world_do(&db, "UPDATE sessions SET status = 'CANCELLED'");
    do_round("g1", GRPC_STATUS_OK);
    text = scrape(port);
    ck_assert_msg(scrape_value(text, pending) == 0, "%s is not 0", pending);
    ck_assert_msg(scrape_value(text, oldest) == 0, "%s is not 0", oldest);
    free(text);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(metrics_forget_a_group_that_was_deleted)
{
    int port = start();
    do_round("g1", GRPC_STATUS_OK);
    do_round("g2", GRPC_STATUS_OK);
    world_do(&db, "SELECT t.hostile(); DELETE FROM agents WHERE scaling_group = 'g2';"
                  "DELETE FROM scaling_groups WHERE name = 'g2'");
    do_round("g2", GRPC_STATUS_NOT_FOUND);
    char *text = scrape(port);
    ck_assert_msg(strstr(text, "{group=\"g2\"}") == NULL, "g2 is still there");
    ck_assert_msg(strstr(text, "{group=\"g1\"}") != NULL, "g1 is gone");
    free(text);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* --- watches -----------------------------------------------------------------------------------
 */

struct awaited {
    int port;
    const char *series;
    double value;
};

static bool has_value(void *ctx)
{
    const struct awaited *a = ctx;
    char *text = scrape(a->port);
    double value = scrape_value(text, a->series);
    free(text);
    return value == a->value;
}

START_TEST(metrics_count_watches_and_their_events)
{
    struct reply r = {.body = NULL};
    Berth__V1__WatchEventsRequest q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    uint8_t *bytes = NULL;
    size_t n = 0;
    int port = start();
    struct awaited open = {port, "berth_subscribers", 1};
    struct awaited closed = {port, "berth_subscribers", 0};
    struct awaited delivered = {port, "berth_events_delivered_total", 0};
    struct call_handle *k = call_begin(client, WATCH_PATH, -1);
    call_send_message(k, &q.base);
    ck_assert_msg(call_receive(k, &bytes, &n), "no first message");
    free(bytes);
    await_true(has_value, &open, "one subscriber");
    ck_assert_msg(has_value(&delivered), "a heartbeat is counted as an event");
    world_do(&db, "SELECT t.session('s1', 1, 1024); SELECT t.session('s2', 1, 1024)");
    do_round("g1", GRPC_STATUS_OK);
    delivered.value = (double)db_int(&db, "SELECT count(*) FROM berth.events");
    ck_assert_msg(delivered.value >= 2, "%f events", delivered.value);
    await_true(has_value, &delivered, "each event to be counted once");
    call_cancel_now(k);
    call_end(k, &r);
    reply_free(&r);
    await_true(has_value, &closed, "no subscriber");
    struct awaited ended = {port, "berth_rpc_total{method=\"WatchEvents\",code=\"CANCELLED\"}", 1};
    await_true(has_value, &ended, "the stream to be counted when it ended");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *t, int end)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, metrics_setup, metrics_teardown);
    tcase_add_loop_test(tc, t, 0, end);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("metrics");
    add_case(s, "calls", metrics_count_calls_as_tabled, ARRAY_SIZE(calls));
    add_case(s, "repeated", metrics_count_a_repeated_request_once, 1);
    add_case(s, "lease", metrics_count_a_busy_lease, 1);
    add_case(s, "conflict", metrics_count_a_conflict_at_the_commit, 1);
    add_case(s, "queue", metrics_follow_the_queue_of_each_group, 1);
    add_case(s, "deleted", metrics_forget_a_group_that_was_deleted, 1);
    add_case(s, "watches", metrics_count_watches_and_their_events, 1);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
