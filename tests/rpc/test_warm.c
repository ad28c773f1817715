/* test_warm.c - rounds that keep what they read between them, as the metrics tell of them. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "tests/rpc/metrics_world.h"
#include "tests/rpc/scrape.h"

#define LOADS(kind) "berth_round_loads_total{kind=\"" kind "\"}"

enum { TRIES = 100, PAUSE_MS = 20 };

static double value(int port, const char *series)
{
    char *text = scrape(port);
    double v = scrape_value(text, series);
    free(text);
    return v;
}

static void schedule(const char *what)
{
    struct reply r = {.body = NULL};
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = (char *)"g1";
    client_call_message(client, SCHEDULE_PATH, &q.base, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, what);
    reply_free(&r);
}

/* berthd itself writes a little after its start: rounds until one finds that nobody had written. */
static void settle(int port)
{
    for (int i = 0; i < TRIES && value(port, LOADS("unchanged")) == 0; i++)
        schedule("a round of an unchanged group");
    ck_assert_msg(value(port, LOADS("unchanged")) > 0, "no round found the group unchanged");
}

static void await_value(int port, const char *series, double wanted, const char *what)
{
    double v = value(port, series);
    for (int i = 0; i < TRIES && v != wanted; i++) {
        poll(NULL, 0, PAUSE_MS);
        v = value(port, series);
    }
    ck_assert_msg(v == wanted, "%s: %s is %f", what, series, v);
}

START_TEST(warm_rounds_see_what_was_written_between_them)
{
    int port = metrics_start("--event-poll=20ms", "--warm-check-interval=0ms", "--loop=false");
    world_do(&db, "SELECT t.session('big', 99, 1024)");
    settle(port);
    double full = value(port, LOADS("full"));
    ck_assert_msg(value(port, "berth_warm_bytes") > 0, "nothing is kept");
    for (int i = 0; i < 5; i++)
        schedule("an idle round");
    ck_assert_msg(value(port, LOADS("full")) == full, "an idle round read everything");
    world_expect(&db, "SELECT status_data->'scheduler'->>'retries' FROM sessions", "1",
                 "an idle round writes no session");
    world_do(&db, "SELECT t.session('small', 1, 1024)");
    schedule("a round after a session came");
    world_expect(&db, "SELECT status FROM sessions WHERE name = 'small'", "SCHEDULED",
                 "the session that came");
    world_do(&db, "UPDATE agent_resources SET capacity = 128 WHERE slot_name = 'cpu'");
    schedule("a round after the agents grew");
    world_expect(&db, "SELECT status FROM sessions WHERE name = 'big'", "SCHEDULED",
                 "the session that waited");
    ck_assert_msg(value(port, "berth_warm_checks_total") >= 5, "what was kept was not checked");
    ck_assert_msg(value(port, "berth_warm_differences_total") == 0, "what was kept was wrong");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

static const struct {
    const char *what, *flag;
} colds[] = {
    {"keeping is off", "--warm-rounds=false"},
    {"there is no memory for it", "--warm-memory=0"},
    {"it may not be kept at all", "--warm-keep=0ms"},
};

START_TEST(warm_rounds_keep_nothing_as_tabled)
{
    int port = metrics_start("--event-poll=20ms", colds[_i].flag, "--loop=false");
    world_do(&db, "SELECT t.session('big', 99, 1024)");
    for (int i = 0; i < 5; i++)
        schedule(colds[_i].what);
    ck_assert_msg(value(port, LOADS("full")) == 5, "%s: not every round read everything",
                  colds[_i].what);
    ck_assert_msg(value(port, "berth_warm_bytes") == 0, "%s: something is kept", colds[_i].what);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(warm_snapshot_is_freed_when_no_round_uses_it)
{
    int port = metrics_start("--event-poll=20ms", "--warm-keep=100ms", "--loop=false");
    world_do(&db, "SELECT t.session('big', 99, 1024)");
    schedule("a round");
    await_value(port, "berth_warm_bytes", 0, "after its time");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm");
    TCase *tc = tcase_create("rounds");
    tcase_add_checked_fixture(tc, metrics_setup, metrics_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, warm_rounds_see_what_was_written_between_them);
    tcase_add_loop_test(tc, warm_rounds_keep_nothing_as_tabled, 0, ARRAY_SIZE(colds));
    tcase_add_test(tc, warm_snapshot_is_freed_when_no_round_uses_it);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_ROUNDS | SUPPORT_REDIS);
}
