/* test_storm.c - many clients that come, cancel, stall and go, while the server drains: nothing is
 * lost, nothing hangs, nothing aborts. Bounded by counts, not by time. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/executor.h"
#include "server/server.h"
#include "tests/rpc/handlers.h"
#include "tests/rpc/machine.h"

enum { CLIENTS = 4, MOST_CALLS = 400, CALLS_BEFORE_DRAIN = 200 };

static struct app *app;
static atomic_uint calls, unexpected;
static atomic_bool draining;

static void teardown(void)
{
    machine_stop();
}

/* What a call of each kind may end with: the bits of the codes, drained or not. */
#define BIT(code) (1U << (code))
#define DRAINED   (BIT(GRPC_STATUS_UNAVAILABLE) | BIT(GRPC_STATUS_CANCELLED))
#define FULL      BIT(GRPC_STATUS_RESOURCE_EXHAUSTED)

static void judge(struct reply *r, unsigned codes, const char *what)
{
    if ((BIT(r->code) & (codes | FULL | DRAINED)) == 0) {
        atomic_fetch_add(&unexpected, 1);
        (void)fprintf(stderr, "%s: %d %s\n", what, (int)r->code, r->message);
    }
    if (r->code == GRPC_STATUS_UNAVAILABLE && atomic_load(&draining) == false) {
        atomic_fetch_add(&unexpected, 1);
        (void)fprintf(stderr, "%s: UNAVAILABLE before the drain: %s\n", what, r->message);
    }
    reply_free(r);
    atomic_fetch_add(&calls, 1);
}

static void cancel_one(struct client *c, const char *path, const char *bytes, size_t n)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = call_begin(c, path, 0);
    call_send(k, bytes, n);
    call_cancel_now(k);
    call_end(k, &r);
    judge(&r, BIT(GRPC_STATUS_CANCELLED) | BIT(GRPC_STATUS_OK), "cancel");
}

static void watch_one(struct client *c)
{
    struct reply r = {.body = NULL};
    uint8_t *bytes = NULL;
    size_t n = 0;
    struct call_handle *k = call_begin(c, HEALTH_PATH, 0);
    call_send(k, "", 0);
    if (call_receive(k, &bytes, &n))
        free(bytes);
    call_cancel_now(k);
    call_end(k, &r);
    judge(&r, BIT(GRPC_STATUS_CANCELLED), "watch");
}

static void one_call(struct client *c, unsigned i)
{
    struct reply r;
    switch (i % 7) {
    case 0:
        client_schedule(c, "echo", &r);
        judge(&r, BIT(GRPC_STATUS_OK), "echo");
        return;
    case 1:
        client_schedule(c, "fail", &r);
        judge(&r, BIT(GRPC_STATUS_NOT_FOUND), "fail");
        return;
    case 2:
        cancel_one(c, SCHEDULE_PATH, "\x0a\x04obey", 6);
        return;
    case 3:
        cancel_one(c, WATCH_PATH, "", 0);
        return;
    case 4:
        watch_one(c);
        return;
    case 5:
        client_call(c, SCHEDULE_PATH, "\x0a\x04obey", 6, 3, &r);
        judge(&r, BIT(GRPC_STATUS_DEADLINE_EXCEEDED), "deadline");
        return;
    default:
        client_call(c, SCHEDULE_PATH, "\xff", 1, 0, &r);
        judge(&r, BIT(GRPC_STATUS_INVALID_ARGUMENT), "garbage");
        return;
    }
}

static void *run_client(void *arg)
{
    struct client *c = client_open(arg);
    for (unsigned i = 0; i < MOST_CALLS && !atomic_load(&draining); i++)
        one_call(c, i);
    client_close(c);
    return NULL;
}

static bool enough(void *ctx)
{
    (void)ctx;
    return atomic_load(&calls) >= CALLS_BEFORE_DRAIN;
}

START_TEST(machine_drains_in_the_middle_of_a_storm)
{
    pthread_t clients[CLIENTS];
    char address[64];
    struct server_stats stats;
    struct executors_stats jobs;
    app = machine_start((const char *[]){
        "--executors=3", _i % 2 == 0 ? "--pollers=1" : "--pollers=3", "--executor-queue=4", NULL});
    (void)snprintf(address, sizeof(address), "%s", server_address(app->server));
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_create(&clients[i], NULL, run_client, address), 0);
    await_true(enough, NULL, "calls to be made");
    atomic_store(&draining, true);
    machine_drain(_i < 2 ? 0 : 1000);
    server_stats(app->server, &stats);
    executors_stats(app->executors, &jobs);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_join(clients[i], NULL), 0);
    ck_assert_msg(atomic_load(&unexpected) == 0, "%u calls ended in an unexpected way",
                  atomic_load(&unexpected));
    ck_assert_uint_eq(stats.live, 0);
    ck_assert_uint_eq(stats.streams, 0);
    ck_assert_uint_eq(jobs.queued, 0);
    ck_assert_uint_eq(handlers_seen().closed, handlers_seen().opened);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("storm");
    TCase *tc = tcase_create("storm");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, machine_drains_in_the_middle_of_a_storm, 0, 8);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
