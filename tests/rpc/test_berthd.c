/* test_berthd.c - the program: its flags, its start without a database, its health, its end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "scheduler/base.h"
#include "tests/repo/support.h"
#include "tests/rpc/berthd.h"

#define NO_DATABASE "--database=host=/nowhere dbname=x password=sekret"
#define NO_REDIS    "--redis=unix:/nowhere/redis.sock"
#define OFTEN       "--probe-interval=20ms"

static struct client *client;

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
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

static void connect_to(const char *address)
{
    client_setup();
    client = client_open(address);
}

/* --- commands --- */

static const struct {
    const char *what, *args[4];
    int code;
    const char *out, *err; /* a piece of what it says; NULL: any */
} runs[] = {
    {"an unknown flag", {"--no-such", "1"}, 2, "", "--no-such"},
    {"a flag without its value", {"--listen"}, 2, "", "--listen"},
    {"an unknown command", {"sing"}, 2, "", "sing"},
    {"a bad number", {"--executors", "0"}, 2, "", "executors"},
    {"a bad size", {"--max-message=1x"}, 2, "", "max_message"},
    {"a bad address", {"--listen=nowhere"}, 1, "", "cannot listen on"},
    {"an address of another machine",
     {"--listen=192.0.2.1:1", "--insecure-listen=true"},
     1,
     "",
     "setting listen"},
    {"other machines in plaintext",
     {"--listen=0.0.0.0:0"},
     1,
     "",
     "set tls_certificate and tls_key"},
    {"other machines in plaintext, IPv6", {"--listen=[::]:0"}, 1, "", "in plaintext"},
    {"a loopback that is none", {"--listen=127.0.0.1.example:0"}, 1, "", "in plaintext"},
    {"a health address without TLS",
     {"--health-listen=127.0.0.1:0"},
     1,
     "",
     "for a server with TLS"},
    {"a certificate without its key", {"--tls-certificate=/nowhere"}, 1, "", "needs its key"},
    {"a certificate that is not there",
     {"--tls-certificate=/nowhere", "--tls-key=/nowhere"},
     1,
     "",
     "setting tls_certificate"},
    {"a callers file that is not there",
     {"--callers-file=/nowhere"},
     1,
     "",
     "setting callers_file"},
    {"token: alone", {"token"}, 2, "", "token new"},
    {"token: without a role", {"token", "new", "ann"}, 2, "", "--role"},
    {"token: an unknown role", {"token", "new", "ann", "--role=root"}, 2, "", "the role is not"},
    {"token: a name with a blank",
     {"token", "new", "a b", "--role=admin"},
     2,
     "",
     "a name has letters"},
    {"token: a file that is not there", {"token", "check", "/nowhere"}, 1, "", "/nowhere"},
    {"token: an admin",
     {"token", "new", "ann", "--role=admin"},
     0,
     "token ann admin * sha256:",
     ""},
    {"a plugin that is not there", {"--plugins=/nowhere.so"}, 1, "", "/nowhere.so"},
    {"migrate: an index flag alone", {"migrate", "--with-indexes"}, 2, "", "--adopt"},
    {"migrate: no database", {"migrate", NO_DATABASE}, 1, "", "database"},
    {"repair: no database", {"repair", NO_DATABASE}, 1, "", "database"},
    {"repair: a flag without its value", {"repair", "--group"}, 2, "", "--group"},
    {"repair: an unknown flag", {"repair", "--dry"}, 2, "", "--dry"},
    {"version", {"--version"}, 0, "berthd " BERTH_VERSION "\n", ""},
    {"help", {"--help"}, 0, "--max-message ", ""},
    {"the settings", {"--print-config", "--replica=r7"}, 0, "= r7 ", ""},
    {"the plugins", {"--list-plugins"}, 0, "fifo", ""},
};

START_TEST(berthd_runs_commands_as_tabled)
{
    const char *args[8] = {NULL};
    for (int i = 0; i < 4; i++)
        args[i] = runs[_i].args[i];
    int code = berthd_run(args);
    ck_assert_msg(code == runs[_i].code, "%s: exit code %d: %s", runs[_i].what, code,
                  berthd_stderr());
    ck_assert_msg(strstr(berthd_stdout(), runs[_i].out) != NULL, "%s: stdout: %s", runs[_i].what,
                  berthd_stdout());
    ck_assert_msg(strstr(berthd_stderr(), runs[_i].err) != NULL, "%s: stderr: %s", runs[_i].what,
                  berthd_stderr());
    ck_assert_msg((code == 0) == (*berthd_stderr() == '\0'), "%s: stderr of a %s: %s",
                  runs[_i].what, code == 0 ? "success" : "failure", berthd_stderr());
}
END_TEST

START_TEST(token_is_appended_as_a_line_of_its_own)
{
    char path[] = "/tmp/berth-callers-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_msg(fd >= 0 && write(fd, "# no newline behind this", 24) == 24 && close(fd) == 0,
                  "cannot write %s", path);
    const char *const new[] = {"token", "new", "ann", "--role=admin", "--append", path, NULL};
    int code = berthd_run(new);
    ck_assert_msg(code == 0, "token new: %s", berthd_stderr());
    code = berthd_run((const char *[]){"token", "check", path, NULL});
    (void)unlink(path);
    ck_assert_msg(code == 0 && strcmp(berthd_stdout(), "1 callers\n") == 0, "token check: %s%s",
                  berthd_stdout(), berthd_stderr());
}
END_TEST

START_TEST(berthd_does_not_show_passwords)
{
    ck_assert_int_eq(berthd_run((const char *[]){"--print-config", NO_DATABASE, NULL}), 0);
    ck_assert_msg(strstr(berthd_stdout(), "password=***") != NULL, "%s", berthd_stdout());
    ck_assert_msg(strstr(berthd_stdout(), "sekret") == NULL, "%s", berthd_stdout());
}
END_TEST

/* --- health --- */

static Grpc__Health__V1__HealthCheckResponse__ServingStatus health_now(void)
{
    struct reply r;
    client_call(client, CHECK_PATH, "", 0, 0, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "a health check");
    Grpc__Health__V1__HealthCheckResponse *m =
        grpc__health__v1__health_check_response__unpack(NULL, r.n_body, r.body);
    Grpc__Health__V1__HealthCheckResponse__ServingStatus s = m->status;
    grpc__health__v1__health_check_response__free_unpacked(m, NULL);
    reply_free(&r);
    return s;
}

#define SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING

static bool is_serving(void *ctx)
{
    (void)ctx;
    return health_now() == SERVING;
}

static bool is_not_serving(void *ctx)
{
    (void)ctx;
    return health_now() == NOT_SERVING;
}

static void check_schedule(grpc_status_code code, const char *reason, const char *says)
{
    struct reply r;
    char text[8192];
    client_schedule(client, "no-such-group", &r);
    ck_assert_code(&r, code, "ScheduleScalingGroup");
    ck_assert_str_eq(reply_info(&r, NULL, text), reason);
    ck_assert_msg(strstr(r.message, says) != NULL, "%s", r.message);
    reply_free(&r);
}

START_TEST(berthd_starts_without_database_and_redis)
{
    connect_to(berthd_serve((const char *[]){NO_DATABASE, NO_REDIS, OFTEN, NULL}));
    ck_assert_int_eq(health_now(), NOT_SERVING);
    check_schedule(GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", "database");
    ck_assert_int_eq(berthd_end(), 0);
    ck_assert_msg(strstr(berthd_stderr(), "sekret") == NULL, "%s", berthd_stderr());
}
END_TEST

START_TEST(berthd_says_what_to_run_when_the_schema_is_missing)
{
    struct db d = db_create(DB_EMPTY);
    char database[256];
    char redis[256];
    (void)snprintf(database, sizeof(database), "--database=%s", d.conninfo);
    (void)snprintf(redis, sizeof(redis), "--redis=%s", redis_address());
    connect_to(berthd_serve((const char *[]){database, redis, OFTEN, NULL}));
    ck_assert_int_eq(health_now(), NOT_SERVING);
    check_schedule(GRPC_STATUS_FAILED_PRECONDITION, "SCHEMA_OUTDATED", "berthd migrate");
    ck_assert_int_eq(berthd_end(), 0);
    for (int i = 0; i < 2; i++) {
        int code = berthd_run((const char *[]){"migrate", database, NULL});
        ck_assert_msg(code == 0, "migrate, run %d: %s", i + 1, berthd_stderr());
    }
    client_close(client);
    client = client_open(berthd_serve((const char *[]){database, redis, OFTEN, NULL}));
    await_true(is_serving, NULL, "health to be SERVING after the migration");
    check_schedule(GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP", "no-such-group");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(berthd_health_follows_the_database_and_redis)
{
    struct db d = db_create(DB_MIGRATED);
    char database[256];
    char redis[256];
    (void)snprintf(database, sizeof(database), "--database=%s", d.conninfo);
    (void)snprintf(redis, sizeof(redis), "--redis=%s", redis_address());
    connect_to(berthd_serve(
        (const char *[]){database, redis, OFTEN, "--schedule-without-redis=false", NULL}));
    await_true(is_serving, NULL, "health to be SERVING");
    pg_server_stop(true);
    await_true(is_not_serving, NULL, "health to be NOT_SERVING without the database");
    check_schedule(GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", "database");
    pg_server_start();
    await_true(is_serving, NULL, "health to be SERVING again");
    check_schedule(GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP", "no-such-group");
    redis_server_stop();
    await_true(is_not_serving, NULL, "health to be NOT_SERVING without Redis");
    redis_server_start();
    await_true(is_serving, NULL, "health to be SERVING with Redis again");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

static bool log_has(void *ctx)
{
    return strstr(berthd_stderr(), ctx) != NULL;
}

START_TEST(berthd_stays_in_service_without_redis_unless_told_otherwise)
{
    struct db d = db_create(DB_MIGRATED);
    char database[256];
    char redis[256];
    (void)snprintf(database, sizeof(database), "--database=%s", d.conninfo);
    (void)snprintf(redis, sizeof(redis), "--redis=%s", redis_address());
    connect_to(berthd_serve((const char *[]){database, redis, OFTEN, NULL}));
    await_true(is_serving, NULL, "health to be SERVING");
    redis_server_stop();
    await_true(log_has, (char[]){"Redis is away"}, "a line that Redis is away");
    ck_assert_int_eq(health_now(), SERVING);
    redis_server_start();
    await_true(log_has, (char[]){"Redis is back"}, "a line that Redis is back");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* --- its end, its log, its address --- */

START_TEST(berthd_drains_on_sigterm_with_streams_open)
{
    struct reply r = {.body = NULL};
    uint8_t *bytes = NULL;
    size_t n = 0;
    connect_to(berthd_serve((const char *[]){NO_DATABASE, NO_REDIS, NULL}));
    struct call_handle *k = call_begin(client, HEALTH_PATH, 0);
    call_send(k, "", 0);
    ck_assert_msg(call_receive(k, &bytes, &n), "no first status");
    free(bytes);
    berthd_signal(SIGHUP); /* is only noted */
    ck_assert_int_eq(berthd_end(), 0);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_UNAVAILABLE, "a watch of a server that ends");
    reply_free(&r);
}
END_TEST

START_TEST(berthd_logs_json_when_nobody_looks)
{
    connect_to(berthd_serve((const char *[]){NO_DATABASE, NO_REDIS, NULL}));
    ck_assert_int_eq(berthd_end(), 0);
    char *text = strdup(berthd_stderr());
    char *rest = NULL;
    int n = 0;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), n++) {
        ck_assert_msg(strncmp(line, "{\"time\":\"", 9) == 0 && line[strlen(line) - 1] == '}',
                      "not an object: %s", line);
    }
    ck_assert_int_ge(n, 3);
    free(text);
}
END_TEST

START_TEST(berthd_refuses_an_address_that_is_served)
{
    char taken[2][192];
    char second[192];
    (void)snprintf(taken[0], sizeof(taken[0]), "--listen=unix:%s/socket", berthd_folder());
    (void)snprintf(
        taken[1], sizeof(taken[1]), "--listen=%s",
        berthd_serve((const char *[]){_i == 0 ? taken[0] : NO_DATABASE, NO_REDIS, NULL}));
    (void)snprintf(second, sizeof(second), "%s", taken[_i]);
    ck_assert_int_eq(berthd_beside((const char *[]){second, NO_DATABASE, NO_REDIS, NULL}), 1);
    ck_assert_msg(strstr(berthd_stderr(), "cannot listen on") != NULL, "%s", berthd_stderr());
    connect_to(second + strlen("--listen="));
    ck_assert_int_eq(health_now(), NOT_SERVING); /* the first one still answers there */
    ck_assert_int_eq(berthd_end(), 0);
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
    Suite *s = suite_create("berthd");
    add_case(s, "commands", berthd_runs_commands_as_tabled, ARRAY_SIZE(runs));
    add_case(s, "secrets", berthd_does_not_show_passwords, 1);
    add_case(s, "token", token_is_appended_as_a_line_of_its_own, 1);
    add_case(s, "alone", berthd_starts_without_database_and_redis, 1);
    add_case(s, "schema", berthd_says_what_to_run_when_the_schema_is_missing, 1);
    add_case(s, "health", berthd_health_follows_the_database_and_redis, 1);
    add_case(s, "redis", berthd_stays_in_service_without_redis_unless_told_otherwise, 1);
    add_case(s, "drain", berthd_drains_on_sigterm_with_streams_open, 1);
    add_case(s, "log", berthd_logs_json_when_nobody_looks, 1);
    add_case(s, "taken", berthd_refuses_an_address_that_is_served, 2);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
