/* test_caretaker.c - what the program puts right: by command, and by itself in the background. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "repo/redis_command.h"
#include "scheduler/base.h"
#include "tests/repo/world.h"
#include "tests/rpc/berthd.h"

static struct db d;
static char database[256], redis[256];

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    d = world_create();
    (void)snprintf(database, sizeof(database), "--database=%s", d.conninfo);
    (void)snprintf(redis, sizeof(redis), "--redis=%s", redis_address());
}

/* --- berthd repair --- */

#define HALF                                                                                       \
    "SELECT t.session('s', 2, 1024); SELECT t.place('s', 'a1', 'SCHEDULED');"                      \
    "UPDATE sessions SET status = 'PENDING';"
#define WRONG_COUNTER                                                                              \
    "UPDATE agent_resources SET used = 3 WHERE agent_id = 'b1' AND slot_name = 'cpu';"
#define LIVE_KERNEL                                                                                \
    "SELECT t.session('l', 1, 1); SELECT t.place('l', 'a2', 'RUNNING');"                           \
    "UPDATE sessions SET status = 'TERMINATED' WHERE name = 'l';"
#define COUNTER_LINE                                                                               \
    "agent b1 counts 3 of slot cpu as used, its ledger rows hold 0 -> set the counter to what "    \
    "they hold\n"

/* clang-format off */
static const struct {
    const char *what, *plant, *args[4];
    int code;
    const char *out; /* a piece of it */
} runs[] = {
    {"nothing is there",   "", {"repair"}, 0, "g1: 0 found, 0 mended\ng2: 0 found, 0 mended\n"},
    {"nothing, dry",       "", {"repair", "--dry-run"}, 0, "g2: 0 found, 0 mended\n"},
    {"a counter, dry",     WRONG_COUNTER, {"repair", "--dry-run"}, 1, "would mend: " COUNTER_LINE},
    {"a counter",          WRONG_COUNTER, {"repair"}, 0, "\nmended: " COUNTER_LINE "g2: 1 found, 1 mended\n"},
    {"of another group",   WRONG_COUNTER, {"repair", "--group", "g1"}, 0, "g1: 0 found, 0 mended\n"},
    {"of this group",      WRONG_COUNTER, {"repair", "--group=g2"}, 0, "mended: " COUNTER_LINE},
    {"half scheduled",     HALF, {"repair", "--group=g1"}, 0, "-> make it SCHEDULED\n"},
    {"what nobody mends",  LIVE_KERNEL, {"repair"}, 1, "-> look at the agent: a container may still run\n"},
};
/* clang-format on */

START_TEST(repair_tells_and_answers_as_tabled)
{
    const char *args[8] = {NULL};
    int n = 0;
    for (; runs[_i].args[n] != NULL && n < 4; n++)
        args[n] = runs[_i].args[n];
    args[n] = database;
    world_do(&d, runs[_i].plant);
    int code = berthd_run(args);
    ck_assert_msg(code == runs[_i].code, "%s: exit code %d: %s%s", runs[_i].what, code,
                  berthd_stdout(), berthd_stderr());
    ck_assert_msg(strstr(berthd_stdout(), runs[_i].out) != NULL, "%s: it says\n%s", runs[_i].what,
                  berthd_stdout());
}
END_TEST

START_TEST(repair_names_a_group_that_is_not_there)
{
    int code = berthd_run((const char *[]){"repair", "--group=none", database, NULL});
    ck_assert_int_eq(code, 1);
    ck_assert_msg(strstr(berthd_stderr(), "There is no scaling group \"none\".") != NULL, "%s",
                  berthd_stderr());
}
END_TEST

/* --- at start --- */

#define OFTEN "--probe-interval=20ms"

static bool log_has(void *ctx)
{
    return strstr(berthd_stderr(), ctx) != NULL;
}

START_TEST(start_mends_all_groups_in_the_background_and_logs_it)
{
    world_do(&d, HALF WRONG_COUNTER);
    (void)berthd_serve((const char *[]){database, redis, OFTEN, NULL});
    db_await(&d, "SELECT status = 'SCHEDULED' FROM sessions", "the session is completed");
    db_await(&d, "SELECT used = 0 FROM agent_resources WHERE agent_id = 'b1' AND slot_name = 'cpu'",
             "the counter is set");
    await_true(log_has, (char[]){"\"kind\":\"half scheduled\""}, "a line about the session");
    await_true(log_has, (char[]){"\"kind\":\"counter\""}, "a line about the counter");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(start_mends_the_groups_after_one_that_cannot_be_mended)
{
    world_do(&d, HALF WRONG_COUNTER
             "CREATE FUNCTION t.no() RETURNS trigger LANGUAGE plpgsql AS "
             "$$ BEGIN RAISE 'not this one'; END $$;"
             "CREATE TRIGGER no BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION t.no()");
    (void)berthd_serve((const char *[]){database, redis, OFTEN, "--loop=false", NULL});
    db_await(&d, "SELECT used = 0 FROM agent_resources WHERE agent_id = 'b1' AND slot_name = 'cpu'",
             "the counter of the other group is set");
    await_true(log_has, (char[]){"could not be looked through for damage"},
               "a line about the first");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(start_waits_for_the_database)
{
    world_do(&d, WRONG_COUNTER);
    pg_server_stop(true);
    (void)berthd_serve((const char *[]){database, redis, OFTEN, NULL});
    pg_server_start();
    db_await(&d, "SELECT used = 0 FROM agent_resources WHERE agent_id = 'b1' AND slot_name = 'cpu'",
             "the counter is set");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(start_does_not_repair_when_told_not_to)
{
    world_do(&d, WRONG_COUNTER "UPDATE agent_resources SET used = 1 WHERE agent_id = 'a1'");
    (void)berthd_serve((const char *[]){database, redis, OFTEN, "--repair-at-start=false", NULL});
    await_true(log_has, (char[]){"listening"}, "it to serve");
    ck_assert_int_eq(berthd_end(), 0);
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM agent_resources WHERE used > 0"), 3);
    ck_assert_msg(!log_has((char[]){"looked through for damage"}), "%s", berthd_stderr());
}
END_TEST

/* --- mirrors --- */

static struct redis *mirrors;

static const char *value_of(const char *key, char text[64])
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text("GET"), redis_arg_text(key)};
    text[0] = '\0';
    if (redis_command(mirrors, args, ARRAY_SIZE(args), &reply, &e) == 0)
        (void)snprintf(text, 64, "%s", redis_reply_text(reply, NULL));
    return text;
}

static void redis_do(const char *verb, const char *key, const char *value)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text(verb), redis_arg_text(key),
                                     redis_arg_text(value)};
    assert_done(redis_command(mirrors, args, 1 + (*key != '\0') + (*value != '\0'), &reply, &e), &e,
                verb);
}

#define COUNT_KEY "keypair.concurrency_used.AK1"

static bool counts_one(void *ctx)
{
    char text[64];
    (void)ctx;
    return strcmp(value_of(COUNT_KEY, text), "1") == 0;
}

/* AK1 runs one session and may run one: what waits stays where it is, whatever Redis says. */
static void assert_blocked(struct client *client, const char *what)
{
    struct reply r;
    client_schedule(client, "g1", &r);
    ck_assert_code(&r, GRPC_STATUS_OK, what);
    reply_free(&r);
    world_expect(&d,
                 "SELECT status || ' ' || coalesce(status_info, '') FROM sessions WHERE name = 'w'",
                 "PENDING predicate-checks-failed", what);
}

START_TEST(mirrors_come_back_and_decide_nothing)
{
    world_do(&d, "UPDATE keypair_resource_policies SET max_concurrent_sessions = 1;"
                 "SELECT t.session('s', 1, 1), t.place('s', 'a1', 'RUNNING');"
                 "SELECT t.session('w', 1, 1)");
    mirrors = redis_open();
    client_setup();
    struct client *client = client_open(
        berthd_serve((const char *[]){database, redis, OFTEN, "--mirror-interval=100ms", NULL}));
    await_true(counts_one, NULL, "the counters after the start");
    assert_blocked(client, "with mirrors");
    redis_do("FLUSHALL", "", "");
    assert_blocked(client, "just erased");
    await_true(counts_one, NULL, "the counters after FLUSHALL");
    redis_server_stop();
    assert_blocked(client, "without Redis");
    redis_server_start();
    await_true(counts_one, NULL, "the counters after a restart");
    redis_do("SET", COUNT_KEY, "0");
    assert_blocked(client, "a count of 0 was planted");
    await_true(counts_one, NULL, "the counter over a planted one");
    redis_do("DEL", COUNT_KEY, "");
    redis_do("RPUSH", COUNT_KEY, "x");
    assert_blocked(client, "a list was planted");
    await_true(counts_one, NULL, "the counter over a planted list");
    ck_assert_int_eq(berthd_end(), 0);
    client_close(client);
    grpc_shutdown_blocking();
    redis_destroy(mirrors);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("caretaker");
    TCase *tc = tcase_create("caretaker");
    tcase_add_checked_fixture(tc, setup, berthd_cleanup);
    tcase_add_loop_test(tc, repair_tells_and_answers_as_tabled, 0, ARRAY_SIZE(runs));
    tcase_add_test(tc, repair_names_a_group_that_is_not_there);
    tcase_add_test(tc, start_mends_all_groups_in_the_background_and_logs_it);
    tcase_add_test(tc, start_mends_the_groups_after_one_that_cannot_be_mended);
    tcase_add_test(tc, start_waits_for_the_database);
    tcase_add_test(tc, start_does_not_repair_when_told_not_to);
    tcase_add_test(tc, mirrors_come_back_and_decide_nothing);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
