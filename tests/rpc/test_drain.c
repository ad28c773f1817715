/* test_drain.c - how the server ends: streams first, calls in progress within the grace. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/clock.h"
#include "server/server.h"
#include "tests/rpc/machine.h"
#include "tests/rpc/watching.h"

static struct app *app;
static struct client *client;

static void start(const char *const *settings)
{
    app = machine_start(settings);
    client = client_open(server_address(app->server));
}

static void setup(void)
{
    start(NULL);
}

static void teardown(void)
{
    client_close(client);
    machine_stop();
}

/* --- streams --- */

START_TEST(stream_of_a_drain_gets_what_is_queued_and_where_to_resume)
{
    struct reply r = {.body = NULL};
    char text[8192];
    struct call_handle *k = watch_open(client);
    for (unsigned i = 0; i < 50; i++)
        push_number(i, STREAM_PUSHED);
    machine_drain(SOON_MS);
    for (unsigned i = 0; i < 50; i++)
        expect_number(k, i);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_UNAVAILABLE, "a stream at the drain");
    ck_assert_str_eq(reply_info(&r, "cursor", text), "c49");
    reply_free(&r);
}
END_TEST

START_TEST(streams_end_when_the_server_drains)
{
    enum { N = 20 };
    struct call_handle *k[N];
    for (int i = 0; i < N; i++)
        k[i] = watch_open(client);
    int64_t begun = clock_ns();
    machine_drain(SOON_MS);
    ck_assert_msg(clock_ns() - begun < SOON_MS * NS_PER_MS / 2, "the drain took the whole grace");
    ck_assert_uint_eq(handlers_seen().closed, N);
    for (int i = 0; i < N; i++)
        expect_end(k[i], GRPC_STATUS_UNAVAILABLE, "DRAINING");
}
END_TEST

/* --- drain of unary calls --- */

static void *drain_in_thread(void *arg)
{
    (void)arg;
    machine_drain(SOON_MS);
    return NULL;
}

static bool refuses_calls(void *ctx)
{
    struct reply r;
    (void)ctx;
    client_schedule(client, "echo", &r);
    bool refused = r.code == GRPC_STATUS_UNAVAILABLE;
    reply_free(&r);
    return refused;
}

START_TEST(drain_waits_for_calls_in_progress)
{
    struct reply r = {.body = NULL};
    pthread_t drainer;
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_send(k, "\x0a\x04hold", 6);
    await_begun(1);
    ck_assert_int_eq(pthread_create(&drainer, NULL, drain_in_thread, NULL), 0);
    await_true(refuses_calls, NULL, "new calls to be refused");
    ck_assert_int_eq(pthread_tryjoin_np(drainer, NULL), EBUSY);
    handlers_release();
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "a call that was in progress");
    reply_free(&r);
    ck_assert_int_eq(pthread_join(drainer, NULL), 0);
}
END_TEST

START_TEST(drain_stops_calls_when_the_grace_is_over)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_send(k, "\x0a\x04obey", 6);
    await_begun(1);
    machine_drain(50);
    ck_assert_uint_eq(handlers_seen().stopped, 1);
    call_end(k, &r);
    ck_assert_int_ne(r.code, GRPC_STATUS_OK);
    reply_free(&r);
}
END_TEST

static void add_case(Suite *s, const char *name, bool own_start, const TTest *t)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, own_start ? NULL : setup, teardown);
    tcase_add_test(tc, t);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("drain");
    add_case(s, "drain", false, streams_end_when_the_server_drains);
    add_case(s, "drain queue", false, stream_of_a_drain_gets_what_is_queued_and_where_to_resume);
    add_case(s, "drain waits", false, drain_waits_for_calls_in_progress);
    add_case(s, "drain stops", false, drain_stops_calls_when_the_grace_is_over);
    return run_suite(s);
}
