/* test_machine.c - unary calls against the machine: what is refused at the door, what comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/base.h"
#include "server/clock.h"
#include "server/server.h"
#include "tests/rpc/handlers.h"
#include "tests/rpc/machine.h"

static struct client *client;

static void start(const char *const *settings)
{
    struct app *app = machine_start(settings);
    client = client_open(server_address(app->server));
}

static void setup(void)
{
    start(NULL);
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

/* --- refused at the door --- */

static const struct {
    const char *what, *path, *bytes;
    size_t n;
    grpc_status_code code;
    const char *reason, *field;
} refused[] = {
    {"an unknown service", "/berth.v2.SchedulerService/CancelSession", "", 0,
     GRPC_STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD", ""},
    {"an unknown method", "/berth.v1.SchedulerService/Nope", "", 0, GRPC_STATUS_UNIMPLEMENTED,
     "UNKNOWN_METHOD", ""},
    {"a path that is a prefix of another", "/berth.v1.SchedulerService/Cancel", "", 0,
     GRPC_STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD", ""},
    {"bytes that are no message", SCHEDULE_PATH, "\xff\xff\xff", 3, GRPC_STATUS_INVALID_ARGUMENT,
     "MALFORMED_MESSAGE", ""},
    {"a message cut short", SCHEDULE_PATH, "\x0a\x05gpu", 5, GRPC_STATUS_INVALID_ARGUMENT,
     "MALFORMED_MESSAGE", ""},
    {"a required field missing", SCHEDULE_PATH, "", 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "scaling_group"},
    {"text that is not UTF-8", SCHEDULE_PATH, "\x0a\x02\xc3\x28", 4, GRPC_STATUS_INVALID_ARGUMENT,
     "BAD_FIELD", "scaling_group"},
    {"text with a NUL", SCHEDULE_PATH, "\x0a\x03g\0u", 5, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "scaling_group"},
    {"an id that is no UUID", CANCEL_PATH,
     "\x0a\x03"
     "abc",
     5, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "session_id"},
};

START_TEST(machine_refuses_as_tabled)
{
    struct reply r;
    char field[256];
    const char *what = refused[_i].what;
    client_call(client, refused[_i].path, refused[_i].bytes, refused[_i].n, 0, &r);
    check_refused(&r, refused[_i].code, refused[_i].reason, what);
    bool named = reply_detail(&r, "BadRequest", field);
    ck_assert_msg(named == (*refused[_i].field != '\0'), "%s: BadRequest %d", what, named);
    ck_assert_msg(strcmp(field, refused[_i].field) == 0, "%s: field \"%s\"", what, field);
    reply_free(&r);
}
END_TEST

static const struct {
    const char *what;
    size_t bytes;
    const char *reason; /* "": core's own refusal, without details */
} large[] = {
    {"a little larger than allowed", (4U << 20) + 1, "MESSAGE_TOO_LARGE"},
    {"twice as large as allowed", 8U << 20, "MESSAGE_TOO_LARGE"},
    {"much larger than allowed", 9U << 20, ""},
};

START_TEST(machine_refuses_large_messages)
{
    struct reply r;
    char *bytes = calloc(1, large[_i].bytes);
    client_call(client, SCHEDULE_PATH, bytes, large[_i].bytes, 0, &r);
    check_refused(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, large[_i].reason, large[_i].what);
    free(bytes);
    reply_free(&r);
    client_schedule(client, "echo", &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "a call after it");
    reply_free(&r);
}
END_TEST

START_TEST(machine_refuses_a_call_without_message)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_close_send(k);
    call_end(k, &r);
    check_refused(&r, GRPC_STATUS_INVALID_ARGUMENT, "MALFORMED_MESSAGE", "no message");
    reply_free(&r);
}
END_TEST

START_TEST(machine_ends_a_call_whose_request_does_not_come)
{
    struct reply r = {.body = NULL};
    start((const char *[]){"--request-timeout=100ms", NULL});
    int64_t begun = clock_ns();
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_end(k, &r);
    check_refused(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "NO_REQUEST", "headers and nothing else");
    ck_assert_msg(clock_ns() - begun < SOON_MS * NS_PER_MS / 2, "not by the client's own deadline");
    reply_free(&r);
}
END_TEST

/* --- answers --- */

static Berth__V1__ScheduleScalingGroupResponse *unpack(const struct reply *r)
{
    ck_assert_code(r, GRPC_STATUS_OK, "the call");
    Berth__V1__ScheduleScalingGroupResponse *m =
        berth__v1__schedule_scaling_group_response__unpack(NULL, r->n_body, r->body);
    ck_assert_msg(m != NULL, "the answer cannot be read");
    return m;
}

START_TEST(machine_answers_what_the_handler_says)
{
    static const char *const groups[] = {"echo", "packed", "big"};
    static const char *const starts[] = {"ipv4:127.0.0.1:", "packed", "xxxx"};
    struct reply r;
    client_schedule(client, groups[_i], &r);
    Berth__V1__ScheduleScalingGroupResponse *m = unpack(&r);
    ck_assert_str_eq(m->round->scaling_group, groups[_i]);
    ck_assert_msg(strncmp(m->round->round_id, starts[_i], strlen(starts[_i])) == 0, "%s: \"%.40s\"",
                  groups[_i], m->round->round_id);
    berth__v1__schedule_scaling_group_response__free_unpacked(m, NULL);
    reply_free(&r);
}
END_TEST

START_TEST(machine_gives_metadata_to_the_handler)
{
    struct reply r;
    client_metadata(client, "x-test", "value");
    client_schedule(client, "metadata", &r);
    Berth__V1__ScheduleScalingGroupResponse *m = unpack(&r);
    ck_assert_str_eq(m->round->round_id, "value");
    berth__v1__schedule_scaling_group_response__free_unpacked(m, NULL);
    reply_free(&r);
}
END_TEST

static bool answers(void *ctx)
{
    struct reply r;
    (void)ctx;
    client_schedule(client, "echo", &r);
    bool ok = r.code == GRPC_STATUS_OK;
    reply_free(&r);
    return ok;
}

/* Core refuses the call, and may close the connection with it. */
START_TEST(machine_refuses_large_metadata)
{
    struct reply r;
    char value[20000];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    client_metadata(client, "x-test", value);
    client_schedule(client, "echo", &r);
    ck_assert_msg(r.code == GRPC_STATUS_RESOURCE_EXHAUSTED || r.code == GRPC_STATUS_UNAVAILABLE,
                  "20 KB of metadata where 16 may be: %d %s", (int)r.code, r.message);
    reply_free(&r);
    client_metadata(client, NULL, NULL);
    await_true(answers, NULL, "calls to be answered again");
}
END_TEST

START_TEST(machine_sends_the_errors_of_handlers_with_details)
{
    struct reply r;
    char text[8192];
    char field[256];
    client_schedule(client, "fail", &r);
    check_refused(&r, GRPC_STATUS_NOT_FOUND, "NO_SUCH", "fail");
    ck_assert_str_eq(r.message, "there is no such thing");
    ck_assert_str_eq(reply_info(&r, "name", text), "value");
    ck_assert_msg(reply_detail(&r, "RetryInfo", field), "no RetryInfo");
    ck_assert_msg(!reply_detail(&r, "BadRequest", field), "a BadRequest without a field");
    ck_assert_msg(memmem(r.details, r.n_details, "log only", 8) == NULL, "detail left the house");
    reply_free(&r);
}
END_TEST

/* --- the database --- */

START_TEST(machine_asks_the_probe_before_it_runs_a_handler)
{
    struct err e;
    struct reply r;
    char field[256];
    err_set(&e, ERR_PRECONDITION, "SCHEMA_OUTDATED", "run berthd migrate");
    machine_database(&e);
    client_schedule(client, "echo", &r);
    check_refused(&r, GRPC_STATUS_FAILED_PRECONDITION, "SCHEMA_OUTDATED", "schema is old");
    ck_assert_msg(reply_detail(&r, "PreconditionFailure", field), "no PreconditionFailure");
    reply_free(&r);
    machine_database(NULL);
    client_schedule(client, "echo", &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "when all is well again");
    reply_free(&r);
}
END_TEST

/* --- leaving, deadlines --- */

START_TEST(machine_tells_the_handler_when_the_client_cancels)
{
    struct reply r = {.body = NULL};
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, 0);
    call_send(k, "\x0a\x04obey", 6);
    await_begun(1);
    ck_assert_uint_eq(handlers_seen().stopped, 0);
    call_cancel_now(k);
    await_stopped(1);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_CANCELLED, "a cancelled call");
    reply_free(&r);
}
END_TEST

START_TEST(machine_tells_the_handler_when_the_deadline_passes)
{
    struct reply r;
    client_call(client, SCHEDULE_PATH, "\x0a\x04obey", 6, 50, &r);
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "a call of 50 ms");
    await_stopped(1);
    reply_free(&r);
}
END_TEST

START_TEST(machine_gives_a_deadline_to_calls_that_name_none)
{
    struct reply r;
    start((const char *[]){"--default-deadline=100ms", NULL});
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, -1);
    call_send(k, "\x0a\x04obey", 6);
    r = (struct reply){.body = NULL};
    call_end(k, &r);
    check_refused(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "without a deadline");
    reply_free(&r);
}
END_TEST

static void add_case(Suite *s, const char *name, bool own_start, const TTest *t, int end)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, own_start ? NULL : setup, teardown);
    tcase_add_loop_test(tc, t, 0, end);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("machine");
    add_case(s, "door", false, machine_refuses_as_tabled, ARRAY_SIZE(refused));
    add_case(s, "large", false, machine_refuses_large_messages, ARRAY_SIZE(large));
    add_case(s, "no message", false, machine_refuses_a_call_without_message, 1);
    add_case(s, "silent", true, machine_ends_a_call_whose_request_does_not_come, 1);
    add_case(s, "answers", false, machine_answers_what_the_handler_says, 3);
    add_case(s, "metadata", false, machine_gives_metadata_to_the_handler, 1);
    add_case(s, "large metadata", false, machine_refuses_large_metadata, 1);
    add_case(s, "errors", false, machine_sends_the_errors_of_handlers_with_details, 1);
    add_case(s, "probe", false, machine_asks_the_probe_before_it_runs_a_handler, 1);
    add_case(s, "cancel", false, machine_tells_the_handler_when_the_client_cancels, 1);
    add_case(s, "deadline", false, machine_tells_the_handler_when_the_deadline_passes, 1);
    add_case(s, "no deadline", true, machine_gives_a_deadline_to_calls_that_name_none, 1);
    return run_suite(s);
}
