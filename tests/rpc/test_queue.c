/* test_queue.c - calls that wait for an executor: which are refused, which are not begun. */
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/executor.h"
#include "server/server.h"
#include "tests/rpc/handlers.h"
#include "tests/rpc/machine.h"

static struct app *app;
static struct client *client;

static void start(const char *const *settings)
{
    app = machine_start(settings);
    client = client_open(server_address(app->server));
}

static void teardown(void)
{
    handlers_release();
    client_close(client);
    machine_stop();
}

static void check_refused(const struct reply *r, grpc_status_code code, const char *reason,
                          const char *what)
{
    char text[8192];
    ck_assert_code(r, code, what);
    ck_assert_msg(strcmp(reply_info(r, NULL, text), reason) == 0, "%s: reason \"%s\", not %s", what,
                  text, reason);
    ck_assert_msg(r->body == NULL, "%s: there is an answer too", what);
}

/* A call that keeps the only executor busy until handlers_release(). */
static struct call_handle *hold_executor(void)
{
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_send(k, "\x0a\x04hold", 6);
    await_begun(1);
    return k;
}

START_TEST(machine_does_not_begin_what_is_too_late)
{
    struct reply r = {.body = NULL};
    start((const char *[]){"--executors=1", NULL});
    struct call_handle *k = hold_executor();
    client_call(client, SCHEDULE_PATH, "\x0a\x04obey", 6, 50, &r);
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "queued behind another");
    reply_free(&r);
    /* What the client says on one connection arrives in order: once this is answered, the server
     * knows that the late one is given up. */
    client_call(client, CHECK_PATH, "", 0, 0, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "health");
    reply_free(&r);
    handlers_release();
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "the one before it");
    reply_free(&r);
    client_schedule(client, "echo", &r);
    reply_free(&r);
    ck_assert_msg(handlers_seen().begun == 1, "the late one was begun all the same");
}
END_TEST

static bool one_waits(void *ctx)
{
    struct executors_stats s;
    (void)ctx;
    executors_stats(app->executors, &s);
    return s.queued == 1;
}

START_TEST(machine_does_not_begin_what_nobody_waits_for)
{
    struct reply r = {.body = NULL};
    start((const char *[]){"--executors=1", NULL});
    struct call_handle *k = hold_executor();
    struct call_handle *queued = call_begin(client, SCHEDULE_PATH, 0);
    call_send(queued, "\x0a\x04obey", 6);
    await_true(one_waits, NULL, "a call to be queued");
    call_cancel_now(queued);
    call_end(queued, &r);
    ck_assert_code(&r, GRPC_STATUS_CANCELLED, "queued and cancelled");
    reply_free(&r);
    client_call(client, CHECK_PATH, "", 0, 0, &r); /* as above: now the server knows */
    reply_free(&r);
    handlers_release();
    call_end(k, &r);
    reply_free(&r);
    client_schedule(client, "echo", &r);
    reply_free(&r);
    ck_assert_msg(handlers_seen().begun == 1, "the cancelled one was begun all the same");
}
END_TEST

static bool time_is_past(void *ctx)
{
    return clock_ns() > *(const int64_t *)ctx;
}

START_TEST(machine_does_not_begin_what_is_past_the_default_deadline)
{
    struct reply r = {.body = NULL};
    start((const char *[]){"--executors=1", "--default-deadline=100ms", NULL});
    struct call_handle *k = hold_executor();
    struct call_handle *queued = call_begin(client, SCHEDULE_PATH, -1);
    call_send(queued, "\x0a\x04obey", 6);
    await_true(one_waits, NULL, "a call to be queued");
    int64_t late = clock_ns() + 100 * NS_PER_MS;
    await_true(time_is_past, &late, "the default deadline of the queued call");
    handlers_release();
    call_end(queued, &r);
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "queued beyond the default deadline");
    reply_free(&r);
    ck_assert_msg(handlers_seen().begun == 1, "the late one was begun all the same");
    call_end(k, &r);
    reply_free(&r);
}
END_TEST

/* --- overload --- */

static void overload(const char *const *settings, const char *reason)
{
    struct reply r;
    char field[256];
    start(settings);
    struct call_handle *held[2];
    for (int i = 0; i < 2; i++) {
        held[i] = call_begin(client, SCHEDULE_PATH, 0);
        call_send(held[i], "\x0a\x04hold", 6);
        if (i == 0)
            await_begun(1);
    }
    client_schedule(client, "echo", &r);
    for (int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
         r.code == GRPC_STATUS_OK && clock_ns() < until;) {
        reply_free(&r); /* the second is not there yet */
        client_schedule(client, "echo", &r);
    }
    check_refused(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, reason, "one too many");
    ck_assert_msg(reply_detail(&r, "RetryInfo", field), "no RetryInfo");
    reply_free(&r);
    client_call(client, CHECK_PATH, "", 0, 0, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "health, in spite of the overload");
    reply_free(&r);
    handlers_release();
    for (int i = 0; i < 2; i++) {
        call_end(held[i], &r);
        ck_assert_code(&r, GRPC_STATUS_OK, "the calls in progress");
        reply_free(&r);
    }
}

START_TEST(machine_refuses_more_calls_than_the_limit)
{
    overload((const char *[]){"--max-in-flight=2", NULL}, "OVERLOADED");
}
END_TEST

START_TEST(machine_refuses_more_than_the_queue_holds)
{
    overload((const char *[]){"--executors=1", "--executor-queue=1", NULL}, "QUEUE_FULL");
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *t)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, t);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("queue");
    add_case(s, "too late", machine_does_not_begin_what_is_too_late);
    add_case(s, "nobody waits", machine_does_not_begin_what_nobody_waits_for);
    add_case(s, "default deadline", machine_does_not_begin_what_is_past_the_default_deadline);
    add_case(s, "in flight", machine_refuses_more_calls_than_the_limit);
    add_case(s, "queue", machine_refuses_more_than_the_queue_holds);
    return run_suite(s);
}
