/* test_reload.c - the program reads its settings again while calls go on. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/base.h"
#include "tests/repo/world.h"
#include "tests/rpc/berthd.h"
#include "tests/rpc/settings.h"

#define GROUPS_PATH "/berth.v1.SchedulerService/ListScalingGroups"
#define READ        "settings were read again"
#define NOT_READ    "settings were not read again"

enum { CALLERS = 3, ROUNDS = 10, CALLS = 60 };

static struct db d;
static char database[256], redis[256];
static const char *address;
static struct client *client;

static void serve(const char *settings)
{
    (void)signal(SIGPIPE, SIG_IGN);
    d = world_create();
    (void)snprintf(database, sizeof(database), "--database=%s", d.conninfo);
    (void)snprintf(redis, sizeof(redis), "--redis=%s", redis_address());
    settings_write(settings);
    address = berthd_serve((const char *[]){"--config", settings_path(), database, redis,
                                            "--loop=false", "--repair-at-start=false", NULL});
    client_setup();
    client = client_open(address);
}

static void teardown(void)
{
    if (client != NULL) {
        client_close(client);
        client = NULL;
        grpc_shutdown_blocking();
    }
    berthd_cleanup();
}

/* --- the log --- */

static unsigned count(const char *text)
{
    unsigned n = 0;
    for (const char *p = berthd_stderr(); (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

struct awaited {
    const char *text;
    unsigned n;
};

static bool is_logged(void *ctx)
{
    const struct awaited *a = ctx;
    return count(a->text) >= a->n;
}

static void await_log(const char *text, unsigned n)
{
    struct awaited a = {.text = text, .n = n};
    await_true(is_logged, &a, text);
}

/* Writes the file, asks for it to be read, waits for what the log says. */
static void reload(const char *settings, const char *outcome)
{
    unsigned before = count(outcome);
    settings_write(settings);
    berthd_signal(SIGHUP);
    await_log(outcome, before + 1);
}

/* --- under load --- */

struct caller {
    pthread_t thread;
    struct client *client;
    bool schedules;
    unsigned calls;
    struct reply wrong; /* the first that was not OK */
};
static atomic_bool done;
static atomic_uint calls;

static void *call_on(void *arg)
{
    struct caller *c = arg;
    while (!atomic_load(&done)) {
        Berth__V1__ListScalingGroupsRequest q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
        struct reply r = {.body = NULL};
        if (c->schedules)
            client_schedule(c->client, "g1", &r);
        else
            client_call_message(c->client, GROUPS_PATH, &q.base, &r);
        c->calls++;
        atomic_fetch_add(&calls, 1);
        if (r.code != GRPC_STATUS_OK) {
            c->wrong = r;
            return c;
        }
        reply_free(&r);
    }
    return NULL;
}

START_TEST(calls_go_on_while_settings_are_read_again)
{
    struct caller callers[CALLERS] = {{.schedules = true}};
    unsigned n = 0;
    char generation[32];
    serve("executors: 3\n");
    for (int i = 0; i < CALLERS; i++) {
        callers[i].client = client_open(address);
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_on, &callers[i]), 0);
    }
    for (; n < ROUNDS || atomic_load(&calls) < CALLS; n++) {
        reload("executors: 3\nslot_priority: [cpu, mem]\nplugin_options: "
               "[fifo.num_retries_to_skip=1]\n"
               "commit_chunk: 2\nmax_in_flight: 50\n",
               READ);
        reload("executors: 3\nslot_priority: [mem]\ncommit_chunk: none\n", NOT_READ);
        reload("executors: 3\nmax_in_flight: 60\nprobe_interval: 30ms\nevent_poll: 50ms\n", READ);
        reload("executors: [3\n", NOT_READ);
    }
    atomic_store(&done, true);
    for (int i = 0; i < CALLERS; i++) {
        void *wrong = NULL;
        ck_assert_int_eq(pthread_join(callers[i].thread, &wrong), 0);
        ck_assert_msg(wrong == NULL, "call %u of caller %d: status %d: %s", callers[i].calls, i,
                      (int)callers[i].wrong.code, callers[i].wrong.message);
        client_close(callers[i].client);
    }
    ck_assert_uint_eq(count(READ), 2 * n);
    ck_assert_uint_eq(count(NOT_READ), 2 * n);
    (void)snprintf(generation, sizeof(generation), "\"generation\":%u,", 2 * n);
    await_log(generation, 1); /* a refused file makes none */
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* --- what it does --- */

static void many_names(struct reply *ret)
{
    static char name[65];
    char *names[1000];
    Berth__V1__ListScalingGroupsRequest q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    memset(name, 'x', sizeof(name) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        names[i] = name;
    q.scaling_groups = names;
    q.n_scaling_groups = ARRAY_SIZE(names);
    client_call_message(client, GROUPS_PATH, &q.base, ret);
}

START_TEST(a_limit_takes_effect_and_goes_again)
{
    struct reply r = {.body = NULL};
    serve("");
    many_names(&r);
    ck_assert_code(&r, GRPC_STATUS_NOT_FOUND, "with the default");
    reply_free(&r);
    reload("max_request_memory: 64k\n", READ);
    many_names(&r);
    ck_assert_code(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, "with 64 KiB");
    reply_free(&r);
    reload("", READ);
    many_names(&r);
    ck_assert_code(&r, GRPC_STATUS_NOT_FOUND, "with the default again");
    reply_free(&r);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(the_log_names_what_is_wrong_and_what_waits)
{
    char where[200];
    serve("executors: 3\n");
    reload("executors: 4\n\ncommit_chunk: 0\n", NOT_READ);
    (void)snprintf(where, sizeof(where),
                   "%s:3: setting commit_chunk: \\\"0\\\" is not a number from 1 to 100000",
                   settings_path());
    await_log(where, 1);
    reload("executors: 4\ncommit_chunk: 7\nlog_level: warn\n", READ);
    await_log("\"changed\":\"commit_chunk, log_level\"", 1);
    await_log("\"these settings take effect after a restart\"", 1);
    await_log("\"settings\":\"executors\"", 1);
    reload("executors: 3\ncommit_chunk: \"a\"\n", NOT_READ);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* The new level is in force a moment after the log says that the settings are. */
static bool refused_call_is_logged(void *ctx)
{
    struct reply r = {.body = NULL};
    (void)ctx;
    client_schedule(client, "none", &r);
    reply_free(&r);
    return count("\"event\":\"call failed\"") > 0;
}

static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

START_TEST(an_area_is_made_to_tell_more_and_a_call_tells_its_trace)
{
    struct reply r = {.body = NULL};
    serve("");
    client_metadata(client, "traceparent", trace);
    client_schedule(client, "none", &r);
    reply_free(&r);
    ck_assert_uint_eq(count(trace), 0);
    reload("log_levels:\n  - call=debug\n", READ);
    await_true(refused_call_is_logged, NULL, "a line about a call that was refused");
    client_schedule(client, "g1", &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "a round");
    reply_free(&r);
    await_log("\"event\":\"call answered\"", 1);
    const char *failed = strstr(berthd_stderr(), "\"event\":\"call failed\"");
    ck_assert_msg(failed != NULL, "%s", berthd_stderr());
    const char *const tells[] = {"\"area\":\"call\"", "\"method\":\"ScheduleScalingGroup\"",
                                 "\"group\":\"none\"", trace, "\"code\":\"NOT_FOUND\""};
    for (size_t i = 0; i < ARRAY_SIZE(tells); i++) {
        const char *at = strstr(failed, tells[i]);
        ck_assert_msg(at != NULL && at < strchr(failed, '\n'), "the line lacks %s: %s", tells[i],
                      failed);
    }
    const char *round = strstr(berthd_stderr(), "\"event\":\"round finished\"");
    ck_assert_msg(round != NULL && strstr(round, trace) < strchr(round, '\n') &&
                      strstr(round, trace) != NULL && strstr(round, "\"round_id\":\"") != NULL,
                  "the round does not tell its trace: %s", berthd_stderr());
    const unsigned failures = count("\"event\":\"call failed\"");
    client_metadata(client, "traceparent", "not a trace \"");
    client_schedule(client, "none", &r);
    reply_free(&r);
    await_log("\"event\":\"call failed\"", failures + 1);
    ck_assert_uint_eq(count("not a trace"), 0);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* --- commands --- */

START_TEST(check_config_says_whether_all_is_well)
{
    const char *const good[] = {"--check-config", "--config", settings_path(), NULL};
    settings_write("executors: 3\n");
    ck_assert_int_eq(berthd_run(good), 0);
    ck_assert_str_eq(berthd_stdout(), "settings: all good\n");
    settings_write("executors: 3\nredis_password_file: /nowhere\n");
    ck_assert_int_eq(berthd_run(good), 2);
    ck_assert_msg(strstr(berthd_stderr(), "berthd.yaml:2: setting redis_password_file: ") != NULL,
                  "%s", berthd_stderr());
    settings_write("executors: 300\n");
    ck_assert_int_eq(berthd_run(good), 2);
    ck_assert_msg(strstr(berthd_stderr(), "berthd.yaml:1: setting executors: ") != NULL, "%s",
                  berthd_stderr());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reload");
    TCase *tc = tcase_create("reload");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, check_config_says_whether_all_is_well);
    tcase_add_test(tc, the_log_names_what_is_wrong_and_what_waits);
    tcase_add_test(tc, a_limit_takes_effect_and_goes_again);
    tcase_add_test(tc, an_area_is_made_to_tell_more_and_a_call_tells_its_trace);
    tcase_add_test(tc, calls_go_on_while_settings_are_read_again);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
