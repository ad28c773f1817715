/* test_bridge.c - the service with a bridge to a manager: what it decides is heard there, and
 * nothing there holds it up. The words are in tests/repo/test_manager_publish.c. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/bridge_queue.h"
#include "server/clock.h"
#include "server/metrics.h"
#include "tests/repo/redis_do.h"
#include "tests/rpc/scrape.h"
#include "tests/rpc/service.h"

static struct db db;
static struct redis *live, *stream;
static struct arena *a;

/* What Redis answers late is told again, and counted here: it has all the time it takes. */
#define PATIENT "--manager-bridge=25", "--redis-timeout=20s"
#define ON      PATIENT, "--event-poll=20ms"

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    db = world_create();
    a = arena_create();
    live = redis_open_in(2);
    stream = redis_open_in(4);
    redis_do(live, "FLUSHALL");
}

static void teardown(void)
{
    service_down();
    redis_destroy(live);
    redis_destroy(stream);
    arena_destroy(a);
}

struct wanted {
    struct redis *r;
    const char *words, *answer;
};

static bool is_there(void *ctx)
{
    const struct wanted *w = ctx;
    return strcmp(redis_says(w->r, w->words), w->answer) == 0;
}

static void await_answer(struct redis *r, const char *words, const char *answer)
{
    struct wanted w = {r, words, answer};
    await_true(is_there, &w, arena_printf(a, "%s to be \"%s\"", words, answer));
}

static const char *position(const char *session)
{
    return arena_printf(a, "GET queue_position:%s", id_text(&db, session));
}

/* --- queues that wait to be written --- */

static void put(struct bridge_queues *all, const char *group, int64_t epoch)
{
    const struct snapshot s = {.group_name = group};
    const struct plan p = {.n_decisions = 0};
    bridge_queues_put(all, bridge_queue_make(&s, &p, epoch, 10));
}

static void expect_taken(struct bridge_queues *all, const char *group, int64_t epoch)
{
    struct bridge_queue *q = bridge_queues_take(all);
    ck_assert_msg(q != NULL, "no queue of %s", group);
    ck_assert_str_eq(q->queue.scaling_group, group);
    ck_assert_int_eq(q->queue.epoch, epoch);
    bridge_queue_free(q);
}

START_TEST(of_each_group_the_newest_queue_waits)
{
    struct bridge_queues all;
    bridge_queues_init(&all);
    put(&all, "g1", 5);
    put(&all, "g2", 1);
    put(&all, "g1", 4);
    put(&all, "g2", 2);
    bridge_queues_expire(&all, clock_ns());
    expect_taken(&all, "g1", 5);
    expect_taken(&all, "g2", 2);
    ck_assert_msg(bridge_queues_take(&all) == NULL, "an older queue was kept");
    put(&all, "g1", 6);
    bridge_queues_expire(&all, clock_ns() + 601 * NS_PER_S);
    ck_assert_msg(bridge_queues_take(&all) == NULL, "a queue outlives its keys");
    put(&all, "g1", 7);
    bridge_queues_finish(&all);
}
END_TEST

/* --- the service --- */

/* One fits, two wait for room. */
#define QUEUE                                                                                      \
    "SELECT t.session('s1', 1, 1), t.session('big1', 99, 1), t.session('big2', 99, 1);"            \
    "UPDATE sessions SET created_at = now() - '1 h'::interval WHERE name = 'big2'"

static void cancel(const char *session)
{
    Berth__V1__CancelSessionRequest q = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    q.session_id = id_text(&db, session);
    (void)call_ok(CANCEL_PATH, &q.base, &berth__v1__cancel_session_response__descriptor, session);
}

START_TEST(off_says_nothing)
{
    service_up(&db, NULL, (const char *[]){"--event-poll=20ms", NULL});
    world_do(&db, QUEUE);
    redis_do(live, "SET schedule:schedule 1");
    schedule("g1", "off");
    cancel("big1");
    service_down();
    redis_expect(stream, "DBSIZE", "0", "database 4");
    redis_expect(live, "KEYS *", "[schedule:schedule]", "database 2");
}
END_TEST

START_TEST(rounds_and_cancels_are_heard)
{
    service_up(&db, NULL, (const char *[]){ON, NULL});
    db_await(&db, "SELECT count(*) = 1 FROM berth.manager_bridge", "the bridge begins");
    world_do(&db, QUEUE);
    schedule("g1", "a round");
    await_answer(stream, "XLEN events", "2"); /* session_scheduled, do_check_precond */
    await_answer(live, "GET pending_queue:g1",
                 arena_printf(a, "[\"%s\", \"%s\"]", id_text(&db, "big2"), id_text(&db, "big1")));
    redis_expect(live, position("big2"), "0", "the older one");
    redis_expect(live, position("big1"), "1", "the younger one");
    redis_expect(live, position("s1"), "-", "the one that was placed");
    cancel("big2");
    await_answer(stream, "XLEN events", "3");
    schedule("g1", "the next round");
    await_answer(live, position("big1"), "0");
    redis_expect(live, position("big2"), "-", "after its cancel");
    cancel("big1");
    schedule("g1", "the last round");
    await_answer(live, "EXISTS pending_queue:g1", "0");
    redis_expect(live, position("big1"), "-", "after its cancel");
}
END_TEST

START_TEST(queue_is_cut_where_the_setting_says)
{
    service_up(&db, NULL, (const char *[]){ON, "--manager-queue-limit=1", NULL});
    world_do(&db, QUEUE);
    schedule("g1", "a round");
    await_answer(live, "GET pending_queue:g1", arena_printf(a, "[\"%s\"]", id_text(&db, "big2")));
    redis_expect(live, position("big1"), "-", "beyond the limit");
}
END_TEST

START_TEST(a_dry_run_is_not_heard)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    service_up(&db, NULL, (const char *[]){ON, NULL});
    world_do(&db, QUEUE);
    q.scaling_group = (char *)"g1";
    q.validate_only = true;
    (void)call_ok(SCHEDULE_PATH, &q.base, &berth__v1__schedule_scaling_group_response__descriptor,
                  "dry");
    service_down();
    redis_expect(stream, "DBSIZE", "0", "database 4");
    redis_expect(live, "DBSIZE", "0", "database 2");
}
END_TEST

START_TEST(what_another_process_committed_is_heard)
{
    service_up(&db, NULL, (const char *[]){ON, NULL});
    db_await(&db, "SELECT count(*) = 1 FROM berth.manager_bridge", "the bridge begins");
    world_do(&db, QUEUE);
    service_down();
    service_up(&db, NULL, (const char *[]){"--event-poll=20ms", NULL}); /* without a bridge */
    schedule("g1", "by a process that tells nobody");
    service_down();
    redis_expect(stream, "DBSIZE", "0", "before anybody tells");
    service_up(&db, NULL, (const char *[]){ON, NULL});
    await_answer(stream, "XLEN events", "2");
}
END_TEST

START_TEST(what_is_committed_last_is_told_before_the_end)
{
    service_up(&db, NULL, (const char *[]){PATIENT, "--event-poll=1m", NULL});
    db_await(&db, "SELECT count(*) = 1 FROM berth.manager_bridge", "the bridge begins");
    world_do(&db, QUEUE);
    schedule("g1", "a round");
    service_down();
    redis_expect(stream, "XLEN events", "2", "after the end");
}
END_TEST

START_TEST(rounds_go_on_without_redis_and_are_heard_later)
{
    service_up(&db, NULL, (const char *[]){ON, NULL});
    db_await(&db, "SELECT count(*) = 1 FROM berth.manager_bridge", "the bridge begins");
    world_do(&db, QUEUE);
    redis_server_stop();
    schedule("g1", "Redis is away");
    cancel("big1");
    assert_status(&db, "s1", "SCHEDULED", "Redis is away");
    redis_server_start();
    await_answer(stream, "XLEN events", "3");
    await_answer(live, position("big2"), "0");
    redis_do(live, "FLUSHALL");
    cancel("big2");
    await_answer(stream, "XLEN events", "1");
}
END_TEST

static void expect_metric(const char *series, double value)
{
    char text[1 << 18];
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    metrics_print(out);
    fclose(out);
    double got = scrape_value(text, series);
    ck_assert_msg(got == value, "%s is %f, not %f", series, got, value);
}

START_TEST(keys_of_wrong_types_hold_up_nothing)
{
    service_up(&db, NULL, (const char *[]){ON, NULL});
    db_await(&db, "SELECT count(*) = 1 FROM berth.manager_bridge", "the bridge begins");
    redis_do(stream, "SET events planted");
    redis_do(live, "HSET pending_queue:g1 k v");
    redis_do(live, arena_printf(a, "RPUSH queue_position:%s x", id_text(&db, "big1")));
    world_do(&db, QUEUE);
    schedule("g1", "with keys of wrong types");
    await_answer(live, position("big1"), "1");
    db_await(&db, "SELECT max(sequence) >= 1 FROM berth.manager_bridge", "the event is given up");
    redis_expect(stream, arena_printf(a, "EXISTS session_scheduler.%s", id_text(&db, "s1")), "1",
                 "what could be told");
    redis_do(stream, "DEL events");
    cancel("big1");
    await_answer(stream, "XLEN events", "1");
    expect_metric("berth_bridge_refused_total", 2);
}
END_TEST

#define ROUNDS                                                                                     \
    "SELECT count(*) FROM berth.rounds WHERE scaling_group_id = (SELECT id FROM scaling_groups "   \
    "WHERE name = 'g1')"

START_TEST(mark_of_a_manager_is_a_hint_to_the_loop)
{
    world_do(&db, QUEUE);
    service_up(&db, NULL,
               (const char *[]){ON, "--loop=true", "--loop-interval=1h",
                                "--loop-hint-interval=100ms", NULL});
    db_await(&db, "SELECT status_info = 'no-available-instances' FROM sessions WHERE name = 'big1'",
             "a round of g1");
    int64_t rounds = db_int(&db, ROUNDS);
    redis_do(live, "SET schedule:schedule 1");
    await_answer(live, "EXISTS schedule:schedule", "0");
    db_await(&db, arena_printf(a, "SELECT (" ROUNDS ") > %d", (int)rounds), "another round of g1");
    expect_metric("berth_bridge_marks_total", 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bridge");
    TCase *tc = tcase_create("bridge");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, of_each_group_the_newest_queue_waits);
    tcase_add_test(tc, off_says_nothing);
    tcase_add_test(tc, rounds_and_cancels_are_heard);
    tcase_add_test(tc, queue_is_cut_where_the_setting_says);
    tcase_add_test(tc, a_dry_run_is_not_heard);
    tcase_add_test(tc, what_another_process_committed_is_heard);
    tcase_add_test(tc, what_is_committed_last_is_told_before_the_end);
    tcase_add_test(tc, rounds_go_on_without_redis_and_are_heard_later);
    tcase_add_test(tc, keys_of_wrong_types_hold_up_nothing);
    tcase_add_test(tc, mark_of_a_manager_is_a_hint_to_the_loop);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
