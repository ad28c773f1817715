/* test_startup.c - how the program starts and ends: its checks, its exit codes, what it tells the
 * service manager, and that nothing keeps it from ending in time. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "berth/v1/scheduler.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "scheduler/base.h"
#include "server/clock.h"
#include "tests/repo/redis_do.h"
#include "tests/repo/world.h"
#include "tests/rpc/berthd.h"

#define NO_DATABASE "--database=host=/nowhere dbname=x"
#define NO_REDIS    "--redis=unix:/nowhere/redis.sock"
#define OFTEN       "--probe-interval=20ms"

static struct client *client;
static char database[512], redis[256];
static int notify_fd = -1;

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    struct redis *r = redis_open();
    redis_do(r, "FLUSHALL"); /* who is cut off leaves its lease behind */
    redis_destroy(r);
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

static void use(const struct db *d)
{
    (void)snprintf(database, sizeof(database), "--database=%s", d->conninfo);
    (void)snprintf(redis, sizeof(redis), "--redis=%s", redis_address());
}

static void serve(const char *const *more)
{
    const char *args[12] = {database, redis, OFTEN};
    for (int i = 0; more[i] != NULL; i++)
        args[i + 3] = more[i];
    client_setup();
    client = client_open(berthd_serve(args));
}

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

static bool log_has(void *ctx)
{
    return strstr(berthd_stderr(), ctx) != NULL;
}

static void await_log(const char *text)
{
    await_true(log_has, (void *)(uintptr_t)text, text);
}

/* --- checks that fail --- */

static const struct {
    const char *what;
    enum db_kind kind;
    const char *sql, *args[4]; /* besides the database's and Redis's, which they may replace */
    int code;
    const char *says;
} failures[] = {
    {"no schema", DB_EMPTY, "SELECT 1", {NULL}, 3, "berthd migrate"},
    {"a migration that is missing",
     DB_MIGRATED,
     "DELETE FROM berth.schema_migrations WHERE name LIKE '0004%'",
     {NULL},
     3,
     "lacks migration 0004"},
    {"a database that is ahead, for other programs",
     DB_MIGRATED,
     "INSERT INTO berth.schema_migrations (name, checksum, skipped, applied_by) "
     "VALUES ('9999_future', sha256(''), false, '9.9')",
     {"--startup-timeout=1h"},
     3,
     "9999_future"},
    {"a migration with another text",
     DB_MIGRATED,
     "UPDATE berth.schema_migrations SET checksum = sha256('') WHERE name LIKE '0002%'",
     {"--startup-timeout=1h"},
     3,
     "0002"},
    {"no database", DB_MIGRATED, "SELECT 1", {NO_DATABASE}, 4, "DATABASE_UNAVAILABLE"},
    {"no Redis where it is needed",
     DB_MIGRATED,
     "SELECT 1",
     {NO_REDIS, "--schedule-without-redis=false"},
     5,
     "Redis"},
    {"no group that can be loaded",
     DB_MIGRATED,
     "INSERT INTO scaling_groups (name, driver, driver_opts, scheduler, scheduler_opts, "
     "use_host_network, default_session_options, default_deployment_options) VALUES "
     "('g', 'static', '{}', 'fifo', '{}', false, '{}', '{}'); "
     "ALTER TABLE kernels RENAME COLUMN cluster_idx TO other",
     {NULL},
     6,
     "cluster_idx"},
    {"an option that no plugin has",
     DB_MIGRATED,
     "SELECT 1",
     {"--plugin-options=fifo.patience=3"},
     2,
     "fifo.patience"},
    {"an option of a plugin that is not there",
     DB_MIGRATED,
     "SELECT 1",
     {"--plugin-options=tetris.num_retries_to_skip=3"},
     2,
     "tetris.num_retries_to_skip"},
    {"an option with a wrong value",
     DB_MIGRATED,
     "SELECT 1",
     {"--plugin-options=fifo.num_retries_to_skip=-1"},
     2,
     "num_retries_to_skip"},
};

START_TEST(berthd_ends_as_tabled_when_it_cannot_do_its_work)
{
    const struct db d = db_create(failures[_i].kind);
    use(&d);
    db_sql(&d, failures[_i].sql);
    const char *args[12] = {
        database, redis, OFTEN, "--listen=127.0.0.1:0", "--loop=false", "--startup-timeout=300ms"};
    for (int i = 0; i < 4 && failures[_i].args[i] != NULL; i++)
        args[i + 6] = failures[_i].args[i];
    const int code = berthd_run(args);
    ck_assert_msg(code == failures[_i].code, "%s: exit code %d, expected %d: %s", failures[_i].what,
                  code, failures[_i].code, berthd_stderr());
    const char *line = strstr(berthd_stderr(), "cannot start");
    ck_assert_msg(line != NULL && strstr(line, failures[_i].says) != NULL, "%s: %s",
                  failures[_i].what, berthd_stderr());
}
END_TEST

/* --- waiting --- */

START_TEST(berthd_serves_when_what_it_waited_for_came)
{
    const struct db d = db_create(DB_EMPTY);
    use(&d);
    serve((const char *[]){"--startup-timeout=1m", NULL});
    ck_assert_int_eq(health_now(), NOT_SERVING);
    ck_assert_int_eq(berthd_beside((const char *[]){"migrate", database, NULL}), 0);
    await_true(is_serving, NULL, "health to be SERVING after the migration");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(berthd_is_ready_only_after_a_snapshot_was_loaded)
{
    const struct db d = world_create();
    use(&d);
    PGconn *c = PQconnectdb(d.conninfo);
    PQclear(PQexec(c, "BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE"));
    serve((const char *[]){"--repair-at-start=false", NULL});
    db_await(&d, SQL_LOCK_WAITS, "the load to wait");
    ck_assert_int_eq(health_now(), NOT_SERVING);
    PQclear(PQexec(c, "ROLLBACK"));
    PQfinish(c);
    await_true(is_serving, NULL, "health to be SERVING once it is loaded");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(berthd_serves_when_one_of_two_groups_can_be_loaded)
{
    const struct db d = world_create();
    use(&d);
    world_do(&d,
             "SELECT t.session('s1', 1, 1); CREATE FUNCTION t.hurt() RETURNS int LANGUAGE sql "
             "AS 'SELECT 1/0'; UPDATE scaling_groups SET scheduler = 'tetris' WHERE name = 'g1'");
    serve((const char *[]){NULL});
    await_true(is_serving, NULL, "health to be SERVING");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(berthd_warns_of_clocks_that_differ)
{
    const struct db d = db_create(DB_MIGRATED);
    use(&d);
    /* one connection sees another clock: a function of that name comes first in its search path */
    db_sql(&d, "CREATE SCHEMA fake; CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz "
               "LANGUAGE sql AS 'SELECT pg_catalog.clock_timestamp() + interval ''1 hour'''");
    (void)snprintf(database, sizeof(database),
                   "--database=%s options='-c search_path=fake,pg_catalog,public'", d.conninfo);
    serve((const char *[]){NULL});
    await_log("clocks of the database");
    await_true(is_serving, NULL, "health to be SERVING all the same");
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* --- the end --- */

static int64_t now_ms(void)
{
    return clock_ns() / NS_PER_MS;
}

START_TEST(berthd_ends_in_time_when_the_database_hangs_in_a_round)
{
    const struct db d = world_create();
    use(&d);
    PGconn *c = PQconnectdb(d.conninfo);
    world_do(&d, "SELECT t.session('s1', 1, 1)");
    serve((const char *[]){"--loop=true", "--loop-hint-interval=50ms", "--grace-period=1s",
                           "--repair-at-start=false", NULL});
    await_true(is_serving, NULL, "health to be SERVING");
    db_await(&d, "SELECT status = 'SCHEDULED' FROM sessions", "a round");
    PQclear(PQexec(c, "BEGIN; LOCK TABLE sessions, berth.group_state IN ACCESS EXCLUSIVE MODE"));
    db_await(&d, SQL_LOCK_WAITS, "something to wait");
    const int64_t begun = now_ms();
    const int code = berthd_end();
    ck_assert_msg(code == 0 || code == 7, "exit code %d: %s", code, berthd_stderr());
    ck_assert_msg(now_ms() - begun < 3000, "it took %d ms", (int)(now_ms() - begun));
    PQclear(PQexec(c, "ROLLBACK"));
    PQfinish(c);
    world_check(&d, "after the end");
}
END_TEST

static pid_t postmaster_pid(void)
{
    char path[512], text[32];
    (void)snprintf(path, sizeof(path), "%s/postmaster.pid", pg_server_data());
    FILE *f = fopen(path, "re");
    ck_assert_msg(f != NULL && fgets(text, sizeof(text), f) != NULL, "no %s", path);
    (void)fclose(f);
    return (pid_t)strtol(text, NULL, 10);
}

/* New connections hang then, as behind a network that swallows packets. */
START_TEST(berthd_ends_in_time_when_the_server_of_the_database_is_stopped)
{
    const struct db d = world_create();
    use(&d);
    serve((const char *[]){"--loop=true", "--loop-hint-interval=50ms", "--grace-period=1s", NULL});
    await_true(is_serving, NULL, "health to be SERVING");
    const pid_t postmaster = postmaster_pid();
    ck_assert_int_eq(kill(postmaster, SIGSTOP), 0);
    const int64_t begun = now_ms();
    const int code = berthd_end();
    ck_assert_int_eq(kill(postmaster, SIGCONT), 0);
    ck_assert_msg(code == 0 || code == 7, "exit code %d: %s", code, berthd_stderr());
    ck_assert_msg(now_ms() - begun < 3000, "it took %d ms", (int)(now_ms() - begun));
}
END_TEST

START_TEST(berthd_ends_at_once_at_the_second_signal)
{
    const struct db d = world_create();
    use(&d);
    struct reply r = {.body = NULL};
    PGconn *c = PQconnectdb(d.conninfo);
    serve((const char *[]){"--grace-period=1h", "--repair-at-start=false", NULL});
    await_true(is_serving, NULL, "health to be SERVING");
    PQclear(PQexec(c, "BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE"));
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, -1);
    call_send(k, "\x0a\x02g1", 4);
    db_await(&d, SQL_LOCK_WAITS, "the call to wait");
    berthd_signal(SIGTERM);
    await_log("draining");
    const int64_t begun = now_ms();
    const int code = berthd_end();
    ck_assert_msg(code == 7, "exit code %d: %s", code, berthd_stderr());
    ck_assert_msg(now_ms() - begun < 3000, "it took %d ms", (int)(now_ms() - begun));
    await_log("second time");
    call_end(k, &r);
    ck_assert_int_ne(r.code, GRPC_STATUS_OK);
    reply_free(&r);
    PQfinish(c);
}
END_TEST

START_TEST(berthd_lets_a_round_and_streams_end_when_it_drains)
{
    const struct db d = world_create();
    use(&d);
    struct reply r = {.body = NULL}, watch = {.body = NULL};
    char text[8192];
    uint8_t *begin;
    size_t n;
    PGconn *c = PQconnectdb(d.conninfo);
    world_do(&d, "SELECT t.session('s1', 1, 1)");
    serve((const char *[]){"--grace-period=20s", "--repair-at-start=false", "--loop=false", NULL});
    await_true(is_serving, NULL, "health to be SERVING");
    struct call_handle *w = call_begin(client, WATCH_PATH, -1);
    call_send(w, "", 0);
    ck_assert_msg(call_receive(w, &begin, &n), "the watch does not begin");
    free(begin);
    PQclear(PQexec(c, "BEGIN; SELECT 1 FROM agent_resources FOR UPDATE"));
    struct call_handle *k = call_begin(client, SCHEDULE_PATH, -1);
    call_send(k, "\x0a\x02g1", 4);
    db_await(&d, SQL_LOCK_WAITS, "the commit to wait");
    berthd_signal(SIGTERM);
    call_end(w, &watch);
    ck_assert_code(&watch, GRPC_STATUS_UNAVAILABLE, "a watch at the drain");
    ck_assert_str_eq(reply_info(&watch, NULL, text), "DRAINING");
    ck_assert_msg(*reply_info(&watch, "cursor", text) != '\0', "no cursor to resume from");
    PQclear(PQexec(c, "ROLLBACK"));
    PQfinish(c);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "a round that was in progress");
    ck_assert_int_eq(berthd_wait(), 0);
    world_expect(&d, "SELECT status FROM sessions", "SCHEDULED", "the session of that round");
    reply_free(&r);
    reply_free(&watch);
}
END_TEST

/* --- the service manager --- */

static void listen_as_manager(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", berthd_folder());
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(notify_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", at.sun_path, 1), 0);
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "300000", 1), 0);
}

static char heard[1 << 16]; /* all messages, one after the other */

static bool was_told(void *ctx)
{
    char text[1024];
    for (ssize_t n; (n = recv(notify_fd, text, sizeof(text) - 1, 0)) > 0;) {
        text[n] = '\0';
        const size_t len = strlen(heard);
        (void)snprintf(heard + len, sizeof(heard) - len, "%s\n", text);
    }
    return strstr(heard, ctx) != NULL;
}

static void await_told(const char *what)
{
    await_true(was_told, (void *)(uintptr_t)what, what);
}

START_TEST(berthd_tells_the_service_manager_how_it_does)
{
    const struct db d = db_create(DB_EMPTY);
    use(&d);
    listen_as_manager();
    serve((const char *[]){NULL});
    await_told("STATUS=Not serving: ");
    await_told("EXTEND_TIMEOUT_USEC=310000000");
    ck_assert_msg(!was_told((char[]){"READY=1"}), "ready without a schema: %s", heard);
    ck_assert_int_eq(berthd_beside((const char *[]){"migrate", database, NULL}), 0);
    await_told("READY=1");
    await_told("STATUS=Serving on 127.0.0.1:");
    heard[0] = '\0';
    await_told("WATCHDOG=1\nWATCHDOG=1\n");
    berthd_signal(SIGHUP);
    await_told("RELOADING=1\nMONOTONIC_USEC=");
    await_told("READY=1");
    ck_assert_int_eq(berthd_end(), 0);
    await_told("STOPPING=1");
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
    Suite *s = suite_create("startup");
    add_case(s, "checks", berthd_ends_as_tabled_when_it_cannot_do_its_work, ARRAY_SIZE(failures));
    add_case(s, "waiting", berthd_serves_when_what_it_waited_for_came, 1);
    add_case(s, "snapshot", berthd_is_ready_only_after_a_snapshot_was_loaded, 1);
    add_case(s, "one group", berthd_serves_when_one_of_two_groups_can_be_loaded, 1);
    add_case(s, "clocks", berthd_warns_of_clocks_that_differ, 1);
    add_case(s, "hang", berthd_ends_in_time_when_the_database_hangs_in_a_round, 1);
    add_case(s, "stopped", berthd_ends_in_time_when_the_server_of_the_database_is_stopped, 1);
    add_case(s, "twice", berthd_ends_at_once_at_the_second_signal, 1);
    add_case(s, "drain", berthd_lets_a_round_and_streams_end_when_it_drains, 1);
    add_case(s, "manager", berthd_tells_the_service_manager_how_it_does, 1);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
