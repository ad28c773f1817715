/* test_auth_calls.c - calls with tokens and certificates: who may do what, and how much of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/executor.h"
#include "server/server.h"
#include "tests/rpc/certificates.h"
#include "tests/rpc/handlers.h"
#include "tests/rpc/machine.h"

#define ANN "Bearer token of ann"
#define BOB "Bearer token of bob"
#define EVE "Bearer token of eve"

static struct app *app;
static struct client *client;

static void write_callers(bool with_ann)
{
    char all[2048];
    char *ann = token_line("ann", "manager gpu,echo,hold", "token of ann");
    char *bob = token_line("bob", "viewer *", "token of bob");
    char *eve = token_line("eve", "admin *", "token of eve");
    (void)snprintf(all, sizeof(all), "%s%s%scert cy viewer * uri:spiffe://berth/ann\n",
                   with_ann ? ann : "", bob, eve);
    certificate_write("callers", all);
    free(ann);
    free(bob);
    free(eve);
}

static void serve(const char *const *more)
{
    const char *flags[16] = {"--credentials-interval=20ms", "--request-timeout=400ms"};
    size_t n = 2;
    flags[n++] = certificate_path("--callers-file", "callers");
    for (; more != NULL && *more != NULL; more++)
        flags[n++] = *more;
    app = machine_start(flags);
}

static void start(const char *const *more)
{
    serve(more);
    client = client_open(server_address(app->server));
}

static void setup(void)
{
    certificates_begin();
    write_callers(true);
}

static void teardown(void)
{
    client_close(client);
    machine_stop();
    certificates_end();
}

/* The code of a call, and its reason. */
static grpc_status_code call(const char *authorization, const char *path, char reason[8192])
{
    struct reply r = {.body = NULL};
    client_metadata(client, authorization != NULL ? "authorization" : NULL, authorization);
    if (strcmp(path, SCHEDULE_PATH) == 0)
        client_schedule(client, "echo", &r);
    else
        client_call(client, path, "", 0, 0, &r);
    grpc_status_code code = r.code;
    (void)reply_info(&r, NULL, reason);
    ck_assert_msg(strstr(r.message, "token of") == NULL, "a message tells a token: %s", r.message);
    reply_free(&r);
    return code;
}

static const struct {
    const char *what, *authorization, *path;
    grpc_status_code code;
    const char *reason;
} calls[] = {
    {"nothing", NULL, SCHEDULE_PATH, GRPC_STATUS_UNAUTHENTICATED, "CREDENTIALS_MISSING"},
    {"nothing, a method that is none", NULL, "/x/y", GRPC_STATUS_UNAUTHENTICATED,
     "CREDENTIALS_MISSING"},
    {"an unknown token", "Bearer other", SCHEDULE_PATH, GRPC_STATUS_UNAUTHENTICATED,
     "CREDENTIALS_UNKNOWN"},
    {"another scheme", "Basic b", SCHEDULE_PATH, GRPC_STATUS_UNAUTHENTICATED,
     "CREDENTIALS_MALFORMED"},
    {"a viewer schedules", BOB, SCHEDULE_PATH, GRPC_STATUS_PERMISSION_DENIED, "ROLE_FORBIDS"},
    {"a viewer cancels", BOB, CANCEL_PATH, GRPC_STATUS_PERMISSION_DENIED, "ROLE_FORBIDS"},
    {"a handler that does not ask for the group", ANN, SCHEDULE_PATH, GRPC_STATUS_INTERNAL,
     "GROUP_NOT_ASKED"},
    {"an admin", EVE, SCHEDULE_PATH, GRPC_STATUS_OK, ""},
    {"an admin, a method that is none", EVE, "/x/y", GRPC_STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD"},
    {"health, nothing", NULL, CHECK_PATH, GRPC_STATUS_OK, ""},
    {"health, an unknown token", "Bearer other", CHECK_PATH, GRPC_STATUS_OK, ""},
    {"health, a viewer", BOB, CHECK_PATH, GRPC_STATUS_OK, ""},
};

START_TEST(call_is_judged_as_tabled)
{
    char reason[8192];
    start(NULL);
    grpc_status_code code = call(calls[_i].authorization, calls[_i].path, reason);
    ck_assert_msg(code == calls[_i].code, "%s: status %d, not %d", calls[_i].what, code,
                  calls[_i].code);
    ck_assert_msg(strcmp(reason, calls[_i].reason) == 0, "%s: reason %s", calls[_i].what, reason);
}
END_TEST

START_TEST(health_is_closed_when_told_to)
{
    char reason[8192];
    start((const char *const[]){"--open-health=false", NULL});
    ck_assert_int_eq(call(NULL, CHECK_PATH, reason), GRPC_STATUS_UNAUTHENTICATED);
    ck_assert_int_eq(call(BOB, CHECK_PATH, reason), GRPC_STATUS_OK);
}
END_TEST

static bool is_limited(void *ctx)
{
    char reason[8192];
    return call(ctx, CHECK_PATH, reason) == GRPC_STATUS_RESOURCE_EXHAUSTED &&
           strcmp(reason, "CALLER_LIMIT") == 0;
}

static bool is_checked(void *ctx)
{
    char reason[8192];
    return call(ctx, CHECK_PATH, reason) == GRPC_STATUS_OK;
}

START_TEST(nobody_keeps_few_requests_unfinished)
{
    enum { KEPT = 8 };
    struct call_handle *kept[KEPT];
    struct reply r = {.body = NULL};
    start((const char *const[]){"--max-requests-memory=1m", "--request-timeout=30s", NULL});
    client_metadata(client, NULL, NULL);
    for (int i = 0; i < KEPT; i++)
        kept[i] = call_begin(client, i % 2 == 0 ? CHECK_PATH : HEALTH_PATH, -1);
    await_true(is_limited, NULL, "one more to be refused");
    ck_assert_msg(is_checked((void *)BOB), "it is the limit of a known caller, too");
    for (int i = 0; i < KEPT; i++) {
        call_cancel_now(kept[i]);
        call_end(kept[i], &r);
        reply_free(&r);
    }
    await_true(is_checked, NULL, "the next to be answered");
}
END_TEST

static bool is_refused(void *ctx)
{
    char reason[8192];
    return call(ctx, SCHEDULE_PATH, reason) == GRPC_STATUS_UNAUTHENTICATED;
}

START_TEST(token_that_is_taken_away_is_refused_and_its_stream_ends)
{
    char text[8192];
    struct reply r = {.body = NULL};
    start(NULL);
    client_metadata(client, "authorization", BOB);
    struct call_handle *others = call_begin(client, HEALTH_PATH, -1);
    call_send(others, "", 0);
    call_close_send(others);
    client_metadata(client, "authorization", ANN);
    struct call_handle *k = call_begin(client, HEALTH_PATH, -1);
    call_send(k, "", 0);
    call_close_send(k);
    uint8_t *first = NULL;
    size_t n = 0;
    ck_assert_msg(call_receive(k, &first, &n), "the stream does not begin");
    free(first);
    write_callers(false);
    await_true(is_refused, (void *)ANN, "the token to be refused");
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_UNAUTHENTICATED, "the stream of who was taken away");
    ck_assert_str_eq(reply_info(&r, NULL, text), "CREDENTIALS_REVOKED");
    reply_free(&r);
    ck_assert_msg(call_receive(others, &first, &n), "the stream of another ended");
    free(first);
    call_cancel_now(others);
    call_end(others, &r);
    reply_free(&r);
}
END_TEST

START_TEST(certificate_is_a_caller_too)
{
    char reason[8192];
    struct reply r = {.body = NULL};
    char *ca = certificate_text("ca.pem");
    static const struct {
        const char *name;
        grpc_status_code code;
        const char *reason;
    } rows[] = {
        {"ann", GRPC_STATUS_PERMISSION_DENIED, "ROLE_FORBIDS"}, /* a viewer of that name: cy */
        {"unknown", GRPC_STATUS_UNAUTHENTICATED, "CREDENTIALS_UNKNOWN"},
    };
    serve((const char *const[]){certificate_path("--tls-certificate", "server.pem"),
                                certificate_path("--tls-key", "server.key"),
                                certificate_path("--tls-client-ca", "ca.pem"),
                                "--tls-client-auth=require", NULL});
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char file[64];
        (void)snprintf(file, sizeof(file), "%s.pem", rows[i].name);
        char *certificate = certificate_text(file);
        (void)snprintf(file, sizeof(file), "%s.key", rows[i].name);
        char *key = certificate_text(file);
        struct client *c = client_open_tls(server_address(app->server), ca, certificate, key);
        client_schedule(c, "echo", &r);
        ck_assert_code(&r, rows[i].code, rows[i].name);
        ck_assert_str_eq(reply_info(&r, NULL, reason), rows[i].reason);
        reply_free(&r);
        client_metadata(c, "authorization", EVE); /* counts more than the certificate */
        client_schedule(c, "echo", &r);
        ck_assert_code(&r, GRPC_STATUS_OK, rows[i].name);
        reply_free(&r);
        client_close(c);
        free(certificate);
        free(key);
    }
    free(ca);
}
END_TEST

/* --- how much --- */

static struct call_handle *hold(const char *authorization)
{
    static const char request[] = {0x0a, 4, 'h', 'o', 'l', 'd'};
    client_metadata(client, "authorization", authorization);
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, -1);
    call_send(k, request, sizeof(request));
    call_close_send(k);
    return k;
}

static void expect_limit(const char *authorization, const char *setting)
{
    char text[8192];
    struct reply r = {.body = NULL};
    client_metadata(client, "authorization", authorization);
    client_schedule(client, "echo", &r);
    ck_assert_code(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, setting);
    ck_assert_str_eq(reply_info(&r, NULL, text), "CALLER_LIMIT");
    ck_assert_str_eq(reply_info(&r, "limit", text), setting);
    ck_assert_msg(reply_detail(&r, "RetryInfo", text), "no RetryInfo for %s", setting);
    reply_free(&r);
}

static void end_held(struct call_handle *k)
{
    struct reply r = {.body = NULL};
    call_end(k, &r);
    reply_free(&r);
}

START_TEST(caller_has_so_many_calls_and_others_theirs)
{
    char reason[8192];
    write_callers(true);
    start((const char *const[]){"--caller-in-flight=1", NULL});
    struct call_handle *k = hold(EVE);
    await_begun(1);
    expect_limit(EVE, "caller_in_flight");
    ck_assert_msg(call(BOB, PREVIEW_PATH, reason) == GRPC_STATUS_UNIMPLEMENTED ||
                      strcmp(reason, "CALLER_LIMIT") != 0,
                  "another caller is refused: %s", reason);
    handlers_release();
    end_held(k);
    ck_assert_int_eq(call(EVE, SCHEDULE_PATH, reason), GRPC_STATUS_OK);
}
END_TEST

static bool three_wait(void *ctx)
{
    struct executors_stats s;
    (void)ctx;
    executors_stats(app->executors, &s);
    return s.queued == 3;
}

START_TEST(caller_leaves_an_executor_to_others)
{
    enum { HELD = 4 };
    char reason[8192];
    struct call_handle *k[HELD];
    start((const char *const[]){"--caller-queue=3", NULL}); /* two executors */
    for (int i = 0; i < HELD; i++) {
        k[i] = hold(EVE);
        await_begun(1); /* the first runs before the others come to wait */
    }
    await_true(three_wait, NULL, "three calls to wait");
    expect_limit(EVE, "caller_queue");
    ck_assert_msg(call(ANN, SCHEDULE_PATH, reason) == GRPC_STATUS_INTERNAL &&
                      strcmp(reason, "GROUP_NOT_ASKED") == 0,
                  "another caller's call is not run: %s", reason);
    ck_assert_uint_eq(handlers_seen().begun, 1);
    handlers_release();
    for (int i = 0; i < HELD; i++)
        end_held(k[i]);
}
END_TEST

START_TEST(caller_has_so_many_streams)
{
    char text[8192];
    struct reply r = {.body = NULL};
    start((const char *const[]){"--caller-streams=1", NULL});
    client_metadata(client, "authorization", BOB);
    struct call_handle *first = call_begin(client, HEALTH_PATH, -1);
    call_send(first, "", 0);
    uint8_t *bytes = NULL;
    size_t n = 0;
    ck_assert_msg(call_receive(first, &bytes, &n), "the stream does not begin");
    free(bytes);
    client_call(client, HEALTH_PATH, "", 0, 0, &r);
    ck_assert_code(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, "a second stream");
    ck_assert_str_eq(reply_info(&r, "limit", text), "caller_streams");
    reply_free(&r);
    call_cancel_now(first);
    end_held(first);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("auth_calls");
    TCase *tc = tcase_create("auth_calls");
    tcase_set_timeout(tc, 60);
    tcase_add_unchecked_fixture(tc, certificates_make, certificates_remove);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, call_is_judged_as_tabled, 0, ARRAY_SIZE(calls));
    tcase_add_test(tc, health_is_closed_when_told_to);
    tcase_add_test(tc, nobody_keeps_few_requests_unfinished);
    tcase_add_test(tc, token_that_is_taken_away_is_refused_and_its_stream_ends);
    tcase_add_test(tc, certificate_is_a_caller_too);
    tcase_add_test(tc, caller_has_so_many_calls_and_others_theirs);
    tcase_add_test(tc, caller_leaves_an_executor_to_others);
    tcase_add_test(tc, caller_has_so_many_streams);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
