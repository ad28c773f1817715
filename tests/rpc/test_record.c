/* test_record.c - rounds of the service, on a real PostgreSQL and Redis, are recorded as they were
 * decided, and berthctl decides them again to the same plan. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "server/berthctl/berthctl.h"
#include "server/berthctl/failure.h"
#include "tests/rpc/service.h"

#include "tests/berthctl/capture.h"

typedef Berth__V1__ScheduleScalingGroupResponse answer;

static struct db db;
static char folder[64];

static const char queue[] = "SELECT t.session('fits', 2, 1073741824);"
                            "SELECT t.session('pair', 4, 1073741824, 2, mode => 'multi-node');"
                            "SELECT t.session('waits', 8, 1024);"
                            "SELECT t.session('never', 99, 1024);";

static void up(const char *path, const char *more)
{
    const char *const settings[] = {path, more, NULL};
    service_up(&db, NULL, settings);
}

static void setup(void)
{
    db = world_create();
    world_do(&db, queue);
    strncpy(folder, "/tmp/berth-rounds-XXXXXX", sizeof(folder) - 1);
    ck_assert_msg(mkdtemp(folder) != NULL, "mkdtemp");
    char setting[96];
    (void)snprintf(setting, sizeof(setting), "--record=%s", folder);
    up(setting, NULL);
}

static void teardown(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *f; d != NULL && (f = readdir(d)) != NULL;)
        (void)unlinkat(dirfd(d), f->d_name, 0);
    if (d != NULL)
        closedir(d);
    (void)rmdir(folder);
}

static unsigned count_files(void)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    ck_assert_msg(d != NULL, "%s is gone", folder);
    for (struct dirent *f; (f = readdir(d)) != NULL;)
        n += strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0;
    closedir(d);
    return n;
}

static answer *call(const Berth__V1__ScheduleScalingGroupRequest *q, const char *what)
{
    return call_ok(SCHEDULE_PATH, &q->base, &berth__v1__schedule_scaling_group_response__descriptor,
                   what);
}

static Berth__V1__ScheduleScalingGroupRequest request_for_g1(void)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = (char *)(uintptr_t) "g1";
    return q;
}

/* `berthctl replay` of that round must say what is wanted. */
static void replay(const answer *a, const char *what, const char *wanted)
{
    CLEANUP(capture_finish) struct capture out = {0};
    CLEANUP(capture_finish) struct capture err = {0};
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/g1-%lld-%s.snapshot", folder, (long long)a->round->epoch,
                   a->round->round_id);
    char *argv[] = {(char *)(uintptr_t) "berthctl", (char *)(uintptr_t) "replay", path, NULL};
    capture_begin(&out);
    capture_begin(&err);
    int code = berthctl_run(3, argv, out.out, err.out);
    capture_end(&out);
    capture_end(&err);
    ck_assert_msg(code == EXIT_OK, "%s: exit code %d\n%s%s", what, code, out.text, err.text);
    ck_assert_msg(strstr(out.text, wanted) != NULL, "%s: it says\n%s", what, out.text);
}

static const char *as_recorded(const answer *a)
{
    return arena_printf(test_arena(), "Plan %s, as recorded.\n", a->round->plan_hash);
}

START_TEST(record_of_a_round_replays_to_the_plan_of_the_answer)
{
    answer *first = schedule("g1", "the first round");
    ck_assert_uint_eq(first->counts->scheduled, 2);
    ck_assert_uint_eq(count_files(), 2);
    replay(first, "the first round", as_recorded(first));
    replay(first, "the first round", "4 pending sessions: 2 scheduled, 1 waiting, 1 infeasible.\n");
    answer *second = schedule("g1", "the second round");
    ck_assert_uint_eq(count_files(), 4);
    ck_assert_str_ne(first->round->plan_hash, second->round->plan_hash);
    replay(second, "the second round", as_recorded(second));
    replay(first, "the first round, later", as_recorded(first));
    char recorded[64];
    (void)snprintf(recorded, sizeof(recorded), "%lld",
                   (long long)strtoull(second->round->plan_hash, NULL, 16));
    world_expect(&db, "SELECT plan_hash FROM berth.rounds ORDER BY epoch DESC LIMIT 1", recorded,
                 "the hash in the database");
    service_down();
}
END_TEST

START_TEST(record_of_a_round_of_few_sessions_replays_under_its_budget)
{
    Berth__V1__ScheduleScalingGroupRequest q = request_for_g1();
    q.max_sessions = 1;
    answer *a = call(&q, "a round of one session");
    replay(a, "a round of one session", "1 scheduled, 3 skipped.\nStopped after 1 session");
    replay(a, "a round of one session", as_recorded(a));
    service_down();
}
END_TEST

/* Takes the session away from under the round: cancelled, but not committed yet. */
static PGconn *cancel_slowly(const char *name)
{
    char sql[200];
    PGconn *c = PQconnectdb(db.conninfo);
    (void)snprintf(sql, sizeof(sql),
                   "BEGIN; UPDATE sessions SET status = 'CANCELLED' WHERE id = t.id('%s')", name);
    PGresult *r = PQexec(c, sql);
    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "cancel: %s", PQerrorMessage(c));
    PQclear(r);
    return c;
}

static void *call_in_thread(void *ret)
{
    *(answer **)ret = schedule("g1", "a round that loses a session");
    return NULL;
}

START_TEST(record_holds_the_plan_as_decided_when_the_commit_loses_a_session)
{
    answer *a = NULL;
    pthread_t thread;
    PGconn *c = cancel_slowly("fits");
    pthread_create(&thread, NULL, call_in_thread, &a);
    db_await(&db,
             "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname "
             "= current_database()",
             "the commit waits for the row");
    PQclear(PQexec(c, "COMMIT"));
    PQfinish(c);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(a->counts->conflict, 1);
    ck_assert_uint_eq(a->counts->scheduled, 1);
    replay(a, "a lost session", "4 pending sessions: 2 scheduled, 1 waiting, 1 infeasible.\n");
    replay(a, "a lost session", as_recorded(a));
    service_down();
}
END_TEST

START_TEST(record_has_nothing_of_a_call_that_writes_nothing)
{
    Berth__V1__ScheduleScalingGroupRequest q = request_for_g1();
    q.validate_only = true;
    call(&q, "planned only");
    ck_assert_uint_eq(count_files(), 0);
    q.validate_only = false;
    q.request_id = (char *)(uintptr_t) "once";
    call(&q, "the first time");
    ck_assert_uint_eq(count_files(), 2);
    call(&q, "the answer again");
    ck_assert_uint_eq(count_files(), 2);
    service_down();
}
END_TEST

START_TEST(record_is_bounded_by_its_settings)
{
    char setting[96];
    (void)snprintf(setting, sizeof(setting), "--record=%s", folder);
    service_down();
    up(setting, "--record-max-files=4");
    for (int i = 0; i < 3; i++)
        schedule("g1", "one of five rounds");
    answer *fourth = schedule("g1", "the fourth round");
    answer *fifth = schedule("g1", "the fifth round");
    ck_assert_uint_eq(count_files(), 4);
    replay(fourth, "the fourth round", as_recorded(fourth));
    replay(fifth, "the fifth round", as_recorded(fifth));
    service_down();
}
END_TEST

START_TEST(record_into_a_folder_that_is_none_harms_no_round)
{
    static const char *const bad[] = {"--record=/proc/self", "--record=/dev/null",
                                      "--record=/nowhere/at/all"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        service_down();
        up(bad[i], NULL);
        answer *a = schedule("g1", bad[i]);
        ck_assert_msg(a->counts->scheduled == (i == 0 ? 2 : 0), "%s: %u scheduled", bad[i],
                      a->counts->scheduled);
    }
    assert_status(&db, "fits", "SCHEDULED", "without a folder");
    world_check(&db, "without a folder");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, record_into_a_folder_that_is_none_harms_no_round);
    tcase_add_test(tc, record_has_nothing_of_a_call_that_writes_nothing);
    tcase_add_test(tc, record_holds_the_plan_as_decided_when_the_commit_loses_a_session);
    tcase_add_test(tc, record_of_a_round_of_few_sessions_replays_under_its_budget);
    tcase_add_test(tc, record_of_a_round_replays_to_the_plan_of_the_answer);
    tcase_add_test(tc, record_is_bounded_by_its_settings);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
