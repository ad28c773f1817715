/* test_schedule.c - ScheduleScalingGroup over loopback, on a real PostgreSQL and Redis. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "tests/rpc/service.h"

typedef Berth__V1__ScheduleScalingGroupResponse answer;

static struct db db;

static void setup(void)
{
    db = world_create();
    service_up(&db, NULL, NULL);
}

static Berth__V1__ScheduleScalingGroupRequest request_for(const char *group)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = (char *)(uintptr_t)group;
    return q;
}

static answer *call(const Berth__V1__ScheduleScalingGroupRequest *q, const char *what)
{
    return call_ok(SCHEDULE_PATH, &q->base, &berth__v1__schedule_scaling_group_response__descriptor,
                   what);
}

/* The decision about session `name`. */
static const Berth__V1__SessionDecision *decision(const answer *a, const char *name)
{
    const char *id = id_text(&db, name);
    for (size_t i = 0; i < a->n_decisions; i++)
        if (strcmp(a->decisions[i]->session_id, id) == 0)
            return a->decisions[i];
    ck_abort_msg("no decision about session %s", name);
    return NULL;
}

/* --- what is refused ---------------------------------------------------------------------------
 */

#define TEN       "xxxxxxxxxx"
#define SIXTY     TEN TEN TEN TEN TEN TEN
#define SIXTYFIVE SIXTY "xxxxx"

static const struct {
    const char *what, *sql; /* sql: run on the world first */
    const char *group, *request_id;
    uint32_t max_sessions, max_decisions;
    int view;
    grpc_status_code code;
    const char *reason, *field;
} bad[] = {
    {"no group", "", "", "", 0, 0, 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "scaling_group"},
    {"a name of 65 characters", "", SIXTYFIVE, "", 0, 0, 0, GRPC_STATUS_INVALID_ARGUMENT,
     "BAD_FIELD", "scaling_group"},
    {"a request id of 130 characters", "", "g1", SIXTYFIVE SIXTYFIVE, 0, 0, 0,
     GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "request_id"},
    {"too many sessions", "", "g1", "", 10000001, 0, 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "max_sessions"},
    {"too many decisions", "", "g1", "", 0, 100001, 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "max_decisions"},
    {"an unknown view", "", "g1", "", 0, 0, 99, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "view"},
    {"an unknown group", "", "nowhere", "", 0, 0, 0, GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP",
     NULL},
    {"an unknown scheduler", "UPDATE scaling_groups SET scheduler = 'best'", "g1", "", 0, 0, 0,
     GRPC_STATUS_FAILED_PRECONDITION, "UNKNOWN_SCHEDULER", NULL},
    {"an unknown strategy",
     "UPDATE scaling_groups SET scheduler_opts = '{\"agent_selection_strategy\": \"best\"}'", "g1",
     "", 0, 0, 0, GRPC_STATUS_FAILED_PRECONDITION, "UNKNOWN_STRATEGY", NULL},
    {"a bad option",
     "UPDATE scaling_groups SET scheduler_opts = '{\"config\": {\"num_retries_to_skip\": -1}}'",
     "g1", "", 0, 0, 0, GRPC_STATUS_FAILED_PRECONDITION, "BAD_OPTION", NULL},
};

START_TEST(schedule_refuses_what_it_cannot_do)
{
    Berth__V1__ScheduleScalingGroupRequest q = request_for(bad[_i].group);
    q.request_id = (char *)(uintptr_t)bad[_i].request_id;
    q.max_sessions = bad[_i].max_sessions;
    q.max_decisions = bad[_i].max_decisions;
    q.view = (Berth__V1__RoundView)bad[_i].view;
    world_do(&db, bad[_i].sql);
    world_do(&db, "SELECT t.session('s1', 1, 1024)");
    call_fails(SCHEDULE_PATH, &q.base, bad[_i].code, bad[_i].reason, bad[_i].field, bad[_i].what);
    assert_status(&db, "s1", "PENDING", bad[_i].what);
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events"), 0);
    service_down();
}
END_TEST

/* --- a round -----------------------------------------------------------------------------------
 */

static const char queue[] = "SELECT t.session('fits', 2, 1073741824);"
                            "SELECT t.session('pair', 4, 1073741824, 2, mode => 'multi-node');"
                            "SELECT t.session('waits', 8, 1024);"
                            "SELECT t.session('never', 99, 1024);"
                            "SELECT t.session('other', 1, 1024, grp => 'g2');";

START_TEST(schedule_places_what_fits_and_says_why_the_rest_does_not)
{
    static const char *const phases[] = {"lock",     "load",  "expire", "order",
                                         "validate", "place", "commit", "publish"};
    world_do(&db, queue);
    answer *a = schedule("g1", "the first round");
    ck_assert_uint_eq(a->counts->pending, 4);
    ck_assert_uint_eq(a->counts->scheduled, 2);
    ck_assert_uint_eq(a->counts->waiting, 1);
    ck_assert_uint_eq(a->counts->infeasible, 1);
    ck_assert_uint_eq(a->n_decisions, 4);
    ck_assert_msg(!a->decisions_truncated, "the decisions are truncated");

    const Berth__V1__SessionDecision *pair = decision(a, "pair");
    ck_assert_int_eq(pair->outcome, BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SCHEDULED);
    ck_assert_uint_eq(pair->n_allocations, 2);
    ck_assert_uint_eq(pair->n_causes, 0);
    ck_assert_str_eq(pair->allocations[0]->kernel_id, id_text(&db, "pair/1"));
    ck_assert_str_eq(pair->allocations[0]->slots[0]->slot, "cpu");
    ck_assert_str_eq(pair->allocations[0]->slots[0]->amount, "4");
    char address[64];
    (void)snprintf(address, sizeof(address), "tcp://%s:6001", pair->allocations[0]->agent_id);
    ck_assert_str_eq(pair->allocations[0]->agent_addr, address);

    const Berth__V1__SessionDecision *waits = decision(a, "waits");
    ck_assert_int_eq(waits->outcome, BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_WAITING);
    ck_assert_int_eq(waits->causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY);
    ck_assert_str_eq(waits->causes[0]->slots[0]->slot, "cpu");
    ck_assert_str_eq(waits->causes[0]->slots[0]->requested, "8");
    ck_assert_str_eq(waits->causes[0]->slots[0]->limit, "8");
    ck_assert_int_eq(decision(a, "never")->causes[0]->kind,
                     BERTH__V1__CAUSE_KIND__CAUSE_KIND_INFEASIBLE);

    ck_assert_int_eq(a->round->epoch, 1);
    ck_assert_str_eq(a->round->scaling_group, "g1");
    ck_assert_uint_eq(strlen(a->round->round_id), 36);
    ck_assert_uint_eq(strlen(a->round->plan_hash), 16);
    ck_assert_msg(a->round->snapshot_time->seconds > 1700000000, "no time");
    ck_assert_uint_eq(a->round->n_phases, ARRAY_SIZE(phases));
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        ck_assert_str_eq(a->round->phases[i]->name, phases[i]);
        ck_assert_msg(a->round->phases[i]->duration != NULL, "phase %s has no time", phases[i]);
    }
    ck_assert_msg(a->round->phases[6]->duration->nanos > 0, "the commit took no time");

    assert_status(&db, "fits", "SCHEDULED", "after the round");
    assert_status(&db, "pair", "SCHEDULED", "after the round");
    assert_status(&db, "waits", "PENDING", "after the round");
    assert_status(&db, "other", "PENDING", "after the round");
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.rounds WHERE phases ? 'place'"), 1);
    world_check(&db, "after the round");
    service_down();
}
END_TEST

START_TEST(schedule_takes_a_new_epoch_each_time)
{
    schedule("g1", "round 1");
    schedule("g2", "round 1 of another group");
    answer *a = schedule("g1", "round 2");
    ck_assert_int_eq(a->round->epoch, 2);
    ck_assert_uint_eq(a->n_decisions, 0);
    service_down();
}
END_TEST

START_TEST(schedule_returns_as_much_as_was_asked_for)
{
    world_do(&db, queue);
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    q.validate_only = true;
    q.view = BERTH__V1__ROUND_VIEW__ROUND_VIEW_COUNTS;
    answer *a = call(&q, "only the counts");
    ck_assert_uint_eq(a->counts->pending, 4);
    ck_assert_uint_eq(a->n_decisions, 0);
    ck_assert_msg(!a->decisions_truncated, "counts are truncated");
    q.view = BERTH__V1__ROUND_VIEW__ROUND_VIEW_DECISIONS;
    q.max_decisions = 3;
    a = call(&q, "three decisions");
    ck_assert_uint_eq(a->n_decisions, 3);
    ck_assert_msg(a->decisions_truncated, "3 of 4 are not called truncated");
    q.max_decisions = 4;
    ck_assert_msg(!call(&q, "four decisions")->decisions_truncated, "4 of 4 are truncated");
    service_down();
}
END_TEST

START_TEST(schedule_offers_no_more_than_max_sessions)
{
    world_do(&db, queue);
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    q.max_sessions = 1;
    answer *a = call(&q, "one session");
    ck_assert_uint_eq(a->counts->scheduled, 1);
    ck_assert_uint_eq(a->counts->skipped, 3);
    ck_assert_int_eq(decision(a, "waits")->causes[0]->kind,
                     BERTH__V1__CAUSE_KIND__CAUSE_KIND_ROUND_LIMIT);
    service_down();
}
END_TEST

START_TEST(schedule_writes_nothing_when_it_only_validates)
{
    world_do(&db, queue);
    schedule("g2", "so that there is something to compare");
    char *before = db_fingerprint(&db);
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    q.validate_only = true;
    q.request_id = (char *)"not stored";
    answer *plan = call(&q, "plan only");
    ck_assert_uint_eq(plan->counts->scheduled, 2);
    ck_assert_int_eq(plan->round->epoch, 0);
    ck_assert_uint_eq(plan->round->n_phases, 8);
    ck_assert_str_eq(db_fingerprint(&db), before);
    ck_assert_str_eq(plan->round->plan_hash, schedule("g1", "for real")->round->plan_hash);
    service_down();
}
END_TEST

/* --- idempotency -------------------------------------------------------------------------------
 */

static void raw_call(const Berth__V1__ScheduleScalingGroupRequest *q, struct reply *ret)
{
    client_call_message(service_client(), SCHEDULE_PATH, &q->base, ret);
}

START_TEST(schedule_answers_a_request_id_with_the_same_bytes)
{
    world_do(&db, queue);
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    struct reply first = {.body = NULL}, again = {.body = NULL};
    q.request_id = (char *)"once";
    raw_call(&q, &first);
    ck_assert_code(&first, GRPC_STATUS_OK, "the first call");
    world_do(&db, "SELECT t.session('later', 1, 1024)"); /* not for this request */
    char *rows = db_fingerprint(&db);
    q.view = BERTH__V1__ROUND_VIEW__ROUND_VIEW_DECISIONS; /* what was meant, said */
    q.max_decisions = 1000;
    raw_call(&q, &again);
    ck_assert_code(&again, GRPC_STATUS_OK, "the second call");
    ck_assert_msg(first.n_body == again.n_body && memcmp(first.body, again.body, first.n_body) == 0,
                  "the answers differ");
    ck_assert_str_eq(db_fingerprint(&db), rows);
    reply_free(&first);
    reply_free(&again);
    service_down();
}
END_TEST

START_TEST(schedule_refuses_a_request_id_with_another_body)
{
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    Berth__V1__CancelSessionRequest cancel = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    q.request_id = cancel.request_id = (char *)"once";
    call(&q, "the first call");
    q.max_sessions = 5;
    call_fails(SCHEDULE_PATH, &q.base, GRPC_STATUS_ALREADY_EXISTS, "REQUEST_ID_REUSED", NULL,
               "another body");
    cancel.session_id = id_text(&db, "s1");
    call_fails(CANCEL_PATH, &cancel.base, GRPC_STATUS_ALREADY_EXISTS, "REQUEST_ID_REUSED", NULL,
               "another method");
    service_down();
}
END_TEST

struct racer {
    pthread_t thread;
    struct reply reply;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    q.request_id = (char *)"race";
    do {
        reply_free(&r->reply);
        raw_call(&q, &r->reply);
    } while (r->reply.code == GRPC_STATUS_ABORTED && clock_ns() < until);
    return NULL;
}

START_TEST(schedule_has_one_effect_however_often_it_is_called_at_once)
{
    struct racer racers[8] = {{0}};
    world_do(&db, queue);
    for (size_t i = 0; i < ARRAY_SIZE(racers); i++)
        pthread_create(&racers[i].thread, NULL, race, &racers[i]);
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
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.rounds WHERE finished_at IS NOT NULL"),
                     1);
    world_check(&db, "after eight calls");
    service_down();
}
END_TEST

/* --- without a database ------------------------------------------------------------------------
 */

START_TEST(schedule_says_that_the_database_is_away)
{
    struct db nowhere = {.conninfo = "host=/nowhere dbname=none"};
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    service_down();
    service_up(&nowhere, NULL, NULL);
    call_fails(SCHEDULE_PATH, &q.base, GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", NULL,
               "no database");
    service_down();
}
END_TEST

START_TEST(schedule_says_that_a_migration_is_missing)
{
    struct db empty = db_create(DB_EMPTY);
    Berth__V1__ScheduleScalingGroupRequest q = request_for("g1");
    service_down();
    service_up(&empty, NULL, NULL);
    call_fails(SCHEDULE_PATH, &q.base, GRPC_STATUS_FAILED_PRECONDITION, "SCHEMA_OUTDATED", NULL,
               "an empty database");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, schedule_refuses_what_it_cannot_do, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, schedule_places_what_fits_and_says_why_the_rest_does_not);
    tcase_add_test(tc, schedule_takes_a_new_epoch_each_time);
    tcase_add_test(tc, schedule_returns_as_much_as_was_asked_for);
    tcase_add_test(tc, schedule_offers_no_more_than_max_sessions);
    tcase_add_test(tc, schedule_writes_nothing_when_it_only_validates);
    tcase_add_test(tc, schedule_answers_a_request_id_with_the_same_bytes);
    tcase_add_test(tc, schedule_refuses_a_request_id_with_another_body);
    tcase_add_test(tc, schedule_has_one_effect_however_often_it_is_called_at_once);
    tcase_add_test(tc, schedule_says_that_the_database_is_away);
    tcase_add_test(tc, schedule_says_that_a_migration_is_missing);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
