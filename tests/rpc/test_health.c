/* test_health.c - grpc.health.v1: Check, Watch, unknown names, drain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "scheduler/base.h"
#include "server/health.h"
#include "server/server.h"
#include "tests/rpc/machine.h"

#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

static struct app *app;
static struct client *client;

static void setup(void)
{
    app = machine_start(NULL);
    client = client_open(server_address(app->server));
}

static void teardown(void)
{
    client_close(client);
    machine_stop();
}

static int read_status(const uint8_t *bytes, size_t n)
{
    Grpc__Health__V1__HealthCheckResponse *m =
        grpc__health__v1__health_check_response__unpack(NULL, n, bytes);
    ck_assert_msg(m != NULL, "a health answer cannot be read");
    int s = (int)m->status;
    grpc__health__v1__health_check_response__free_unpacked(m, NULL);
    return s;
}

static void check(const char *service, struct reply *ret)
{
    Grpc__Health__V1__HealthCheckRequest q = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    q.service = (char *)service;
    client_call_message(client, CHECK_PATH, &q.base, ret);
}

static struct call_handle *watch(const char *service)
{
    Grpc__Health__V1__HealthCheckRequest q = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    q.service = (char *)service;
    struct call_handle *k = call_begin(client, HEALTH_PATH, 0);
    call_send_message(k, &q.base);
    call_close_send(k);
    return k;
}

static void expect(struct call_handle *k, int want, const char *what)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    ck_assert_msg(call_receive(k, &bytes, &n), "%s: the watch is over", what);
    int have = read_status(bytes, n);
    free(bytes);
    ck_assert_msg(have == want, "%s: status %d, not %d", what, have, want);
}

static void leave(struct call_handle *k)
{
    struct reply r = {.body = NULL};
    call_cancel_now(k);
    call_end(k, &r);
    reply_free(&r);
}

/* --- Check --- */

static const struct {
    const char *what, *service;
    grpc_status_code code;
} names[] = {
    {"another service", "berth.v1.Nope", GRPC_STATUS_NOT_FOUND},
    {"the health service itself", "grpc.health.v1.Health", GRPC_STATUS_NOT_FOUND},
    {"nearly the name of being alive", "live ", GRPC_STATUS_NOT_FOUND},
    {"the server as a whole", "", GRPC_STATUS_OK},
    {"whether it lives", "live", GRPC_STATUS_OK},
    {"the scheduler", "berth.v1.SchedulerService", GRPC_STATUS_OK},
};

START_TEST(health_check_knows_names_as_tabled)
{
    struct reply r;
    check(names[_i].service, &r);
    ck_assert_code(&r, names[_i].code, names[_i].what);
    if (r.code == GRPC_STATUS_OK)
        ck_assert_int_eq(read_status(r.body, r.n_body), STATUS(SERVING));
    reply_free(&r);
}
END_TEST

/* Every part counts, and all of them must be well. */
START_TEST(health_check_follows_every_part)
{
    struct reply r;
    char why[64];
    enum health_part part = (enum health_part)_i;
    ck_assert_msg(health_get(app->health, why, sizeof(why)), "not well at the start: %s", why);
    health_set(app->health, part, false, "Something is wrong.");
    check("", &r);
    ck_assert_int_eq(read_status(r.body, r.n_body), STATUS(NOT_SERVING));
    reply_free(&r);
    ck_assert_msg(!health_get(app->health, why, sizeof(why)), "part %d is ignored", _i);
    ck_assert_str_eq(why, "Something is wrong.");
    health_set(app->health, part, true, NULL);
    check("", &r);
    ck_assert_int_eq(read_status(r.body, r.n_body), STATUS(SERVING));
    reply_free(&r);
}
END_TEST

/* A kubelet must not restart what only waits for its database. */
START_TEST(health_check_says_live_whatever_is_wrong)
{
    struct reply r;
    struct call_handle *k = watch("live");
    expect(k, STATUS(SERVING), "the watch");
    for (int i = 0; i < N_HEALTH_PARTS; i++)
        health_set(app->health, (enum health_part)i, false, "Something is wrong.");
    check("", &r);
    ck_assert_int_eq(read_status(r.body, r.n_body), STATUS(NOT_SERVING));
    reply_free(&r);
    check("live", &r);
    ck_assert_int_eq(read_status(r.body, r.n_body), STATUS(SERVING));
    reply_free(&r);
    for (int i = 0; i < N_HEALTH_PARTS; i++)
        health_set(app->health, (enum health_part)i, true, NULL);
    leave(k);
}
END_TEST

/* --- Watch --- */

START_TEST(health_watch_tells_changes_and_only_changes)
{
    struct call_handle *k = watch("berth.v1.SchedulerService");
    expect(k, STATUS(SERVING), "first");
    health_set(app->health, HEALTH_DATABASE, true, NULL); /* no change */
    health_set(app->health, HEALTH_DATABASE, false, "away");
    health_set(app->health, HEALTH_REDIS, false, "away too"); /* no change of the whole */
    expect(k, STATUS(NOT_SERVING), "after the database went");
    health_set(app->health, HEALTH_DATABASE, true, NULL);
    health_set(app->health, HEALTH_REDIS, true, NULL);
    expect(k, STATUS(SERVING), "after both came back");
    leave(k);
}
END_TEST

START_TEST(health_watch_of_an_unknown_name_stays_open)
{
    struct call_handle *k = watch("nope");
    struct call_handle *known = watch("");
    expect(k, STATUS(SERVICE_UNKNOWN), "first");
    expect(known, STATUS(SERVING), "of the known one");
    health_set(app->health, HEALTH_DATABASE, false, "away");
    expect(known, STATUS(NOT_SERVING), "of the known one, later");
    machine_drain(SOON_MS);
    struct reply r = {.body = NULL};
    uint8_t *bytes = NULL;
    size_t n = 0;
    ck_assert_msg(!call_receive(k, &bytes, &n), "an unknown name was told of a change");
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_UNAVAILABLE, "the unknown one at the drain");
    reply_free(&r);
    call_end(known, &r);
    reply_free(&r);
}
END_TEST

START_TEST(health_watchers_are_told_of_the_drain)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = watch("");
    expect(k, STATUS(SERVING), "first");
    machine_drain(SOON_MS);
    expect(k, STATUS(NOT_SERVING), "at the drain");
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_UNAVAILABLE, "at the drain");
    reply_free(&r);
}
END_TEST

START_TEST(health_watchers_come_and_go)
{
    enum { N = 5 };
    struct call_handle *k[N];
    for (int i = 0; i < N; i++) {
        k[i] = watch("");
        expect(k[i], STATUS(SERVING), "first");
    }
    leave(k[0]);
    leave(k[2]);
    leave(k[4]);
    health_set(app->health, HEALTH_ROUNDS, false, "stuck");
    expect(k[1], STATUS(NOT_SERVING), "second of five");
    expect(k[3], STATUS(NOT_SERVING), "fourth of five");
    leave(k[1]);
    leave(k[3]);
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *t, int end)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, t, 0, end);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("health");
    add_case(s, "names", health_check_knows_names_as_tabled, ARRAY_SIZE(names));
    add_case(s, "parts", health_check_follows_every_part, N_HEALTH_PARTS);
    add_case(s, "live", health_check_says_live_whatever_is_wrong, 1);
    add_case(s, "changes", health_watch_tells_changes_and_only_changes, 1);
    add_case(s, "unknown", health_watch_of_an_unknown_name_stays_open, 1);
    add_case(s, "drain", health_watchers_are_told_of_the_drain, 1);
    add_case(s, "come and go", health_watchers_come_and_go, 1);
    return run_suite(s);
}
