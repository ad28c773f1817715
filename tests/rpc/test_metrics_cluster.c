/* test_metrics_cluster.c - what berthd shows of agents, slots, waits and its own connections. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/base.h"
#include "tests/rpc/metrics_world.h"
#include "tests/rpc/scrape.h"

/* more, even_more: flags; NULL: none. */
static int start_with(const char *more, const char *even_more)
{
    return metrics_start("--executors=1", more, even_more);
}

static int start(void)
{
    return start_with(NULL, NULL);
}

static void do_round(const char *group)
{
    struct reply r = {.body = NULL};
    client_schedule(client, group, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, group);
    reply_free(&r);
}

/* --- a group ---------------------------------------------------------------------------------- */

/* g1 has a1 and a2, each 8 cpu and 16 GiB. */
static const struct {
    const char *what, *sql, *series;
    double value;
} views[] = {
    {"both agents take work", "", "berth_agents{group=\"g1\",state=\"ready\"}", 2},
    {"nobody is away", "", "berth_agents{group=\"g1\",state=\"away\"}", 0},
    {"one is lost", "UPDATE agents SET status = 'LOST' WHERE id = 'a1'",
     "berth_agents{group=\"g1\",state=\"away\"}", 1},
    {"one is lost and switched off",
     "UPDATE agents SET status = 'LOST', schedulable = false WHERE id = 'a1'",
     "berth_agents{group=\"g1\",state=\"away\"}", 1},
    {"one is switched off", "UPDATE agents SET schedulable = false WHERE id = 'a1'",
     "berth_agents{group=\"g1\",state=\"unschedulable\"}", 1},
    {"one has a row that cannot be read",
     "SELECT t.hostile(); UPDATE agent_resources SET capacity = -1 WHERE agent_id = 'a1' AND "
     "slot_name = 'cpu'",
     "berth_agents{group=\"g1\",state=\"unreadable\"}", 1},
    {"all capacity", "", "berth_slot_capacity{group=\"g1\",slot=\"cpu\"}", 16},
    {"all memory", "", "berth_slot_capacity{group=\"g1\",slot=\"mem\"}", 32.0 * (1 << 30)},
    {"capacity of a lost agent does not count", "UPDATE agents SET status = 'LOST' WHERE id = 'a1'",
     "berth_slot_capacity{group=\"g1\",slot=\"cpu\"}", 8},
    {"nothing is held", "", "berth_slot_held{group=\"g1\",slot=\"cpu\"}", 0},
    {"what runs is held",
     "SELECT t.session('s1', 2.5, 1024); SELECT t.place('s1', 'a2', 'RUNNING')",
     "berth_slot_held{group=\"g1\",slot=\"cpu\"}", 2.5},
    {"what the round placed is held", "SELECT t.session('s1', 3, 1024)",
     "berth_slot_held{group=\"g1\",slot=\"cpu\"}", 3},
    {"what waits is not held", "SELECT t.session('s1', 99, 1024)",
     "berth_slot_held{group=\"g1\",slot=\"cpu\"}", 0},
    {"a wait of five minutes is one",
     "SELECT t.session('s1', 1, 1024); UPDATE sessions SET status_history = '{}', created_at = "
     "now() - interval '400 s'",
     "berth_scheduled_wait_seconds_bucket{le=\"900\"}", 1},
    {"and no shorter one",
     "SELECT t.session('s1', 1, 1024); UPDATE sessions SET status_history = '{}', created_at = "
     "now() - interval '400 s'",
     "berth_scheduled_wait_seconds_bucket{le=\"300\"}", 0},
    {"who waits on is none", "SELECT t.session('s1', 99, 1024)",
     "berth_scheduled_wait_seconds_count", 0},
};

START_TEST(metrics_show_a_group_as_tabled)
{
    int port = start();
    if (*views[_i].sql != '\0')
        world_do(&db, views[_i].sql);
    do_round("g1");
    char *text = scrape(port);
    double value = scrape_value(text, views[_i].series);
    ck_assert_msg(value == views[_i].value, "%s: %s is %f, not %f", views[_i].what,
                  views[_i].series, value, views[_i].value);
    ck_assert_msg(strstr(text, "group=\"g2\"") == NULL, "%s: another group is shown",
                  views[_i].what);
    free(text);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

static bool is_forgotten(void *ctx)
{
    const int *port = ctx;
    char *text = scrape(*port);
    bool gone = strstr(text, "group=\"g2\"") == NULL && strstr(text, "group=\"g1\"") != NULL;
    free(text);
    return gone;
}

static bool is_shown(void *ctx)
{
    const int *port = ctx;
    char *text = scrape(*port);
    bool shown = strstr(text, "berth_agents{group=\"g2\"") != NULL;
    free(text);
    return shown;
}

/* Nobody asks for its round any more. */
START_TEST(metrics_forget_a_group_that_the_loop_lost)
{
    int port = start_with("--loop=true", "--loop-hint-interval=20ms");
    await_true(is_shown, &port, "a round of the loop");
    world_do(&db, "SELECT t.hostile(); DELETE FROM agents WHERE scaling_group = 'g2';"
                  "DELETE FROM scaling_groups WHERE name = 'g2'");
    await_true(is_forgotten, &port, "the group to be forgotten");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* --- connections ------------------------------------------------------------------------------ */

static const char again[] = "berth_database_connects_total{result=\"again\"}";

static double value_of(int port, const char *series)
{
    char *text = scrape(port);
    double value = scrape_value(text, series);
    free(text);
    return value;
}

/* A connection may be found to be gone only when it is used. */
static bool has_reconnected(void *ctx)
{
    const int *port = ctx;
    struct reply r = {.body = NULL};
    client_schedule(client, "g1", &r);
    bool well = r.code == GRPC_STATUS_OK && value_of(*port, again) >= 1;
    reply_free(&r);
    return well;
}

START_TEST(metrics_count_connections_to_the_database)
{
    int port = start();
    do_round("g1");
    ck_assert_msg(value_of(port, "berth_executors") == 1, "not one executor");
    ck_assert_msg(value_of(port, again) == 0, "a connection was lost before");
    ck_assert_msg(value_of(port, "berth_database_connects_total{result=\"ok\"}") >= 1, "no first");
    ck_assert_msg(value_of(port, "berth_database_connects_total{result=\"failed\"}") == 0,
                  "a connection failed");
    ck_assert_msg(value_of(port, "berth_redis_connects_total{result=\"ok\"}") >= 1, "no Redis");
    world_do(&db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name "
                  "= 'berthd' AND datname = current_database()");
    await_true(has_reconnected, &port, "a new connection to be counted as one");
    char *text = scrape(port);
    double open = scrape_value(text, "berth_database_connections{state=\"busy\"}") +
                  scrape_value(text, "berth_database_connections{state=\"idle\"}");
    free(text);
    ck_assert_msg(open >= 1, "%f connections are open", open);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

struct awaited {
    int port;
    const char *series;
};

static bool is_one_more(void *ctx)
{
    const struct awaited *a = ctx;
    return value_of(a->port, a->series) >= 1;
}

START_TEST(metrics_count_connections_that_failed)
{
    int port = start_with("--redis=127.0.0.1:1", NULL); /* nobody listens there */
    struct awaited failed = {port, "berth_redis_connects_total{result=\"failed\"}"};
    await_true(is_one_more, &failed, "a connection that failed");
    char *text = scrape(port);
    ck_assert_msg(scrape_value(text, "berth_redis_connections{state=\"idle\"}") == 0,
                  "one is open");
    ck_assert_msg(scrape_value(text, "berth_redis_connects_total{result=\"ok\"}") == 0, "one came");
    free(text);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(metrics_tell_a_busy_connection)
{
    struct reply r = {.body = NULL};
    int port = start();
    struct awaited busy = {port, "berth_database_connections{state=\"busy\"}"};
    world_do(&db, "SELECT t.session('s1', 1, 1024)");
    PGconn *c = PQconnectdb(db.conninfo);
    PQclear(PQexec(c, "BEGIN; SELECT 1 FROM sessions FOR UPDATE"));
    ck_assert_msg(PQtransactionStatus(c) == PQTRANS_INTRANS, "%s", PQerrorMessage(c));
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_send(k, "\n\002g1", 4); /* scaling_group: "g1" */
    await_true(is_one_more, &busy, "the commit to hold its transaction open");
    PQfinish(c); /* and its lock */
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "the round");
    reply_free(&r);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics_cluster");
    TCase *tc = tcase_create("program");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, metrics_setup, metrics_teardown);
    tcase_add_loop_test(tc, metrics_show_a_group_as_tabled, 0, ARRAY_SIZE(views));
    tcase_add_test(tc, metrics_forget_a_group_that_the_loop_lost);
    tcase_add_test(tc, metrics_count_connections_to_the_database);
    tcase_add_test(tc, metrics_count_connections_that_failed);
    tcase_add_test(tc, metrics_tell_a_busy_connection);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
