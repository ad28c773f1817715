/* support.c - what tests ask of the servers. */
#include "tests/repo/support.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "repo/migrate.h"
#include "repo/migration.h"
#include "tests/repo/support_servers.h"

enum { START_MS = 120000, AWAIT_MS = 30000, STEP_MS = 5, DATABASES_MAX = 8, TEXT = 256 };

static struct servers *servers; /* NULL: all shared */
static char pg_host[64];        /* socket folder */
static char pg_user[32];
static char redis_at[96];
static char template_name[DB_NAME];

static struct {
    pid_t owner; /* the test process */
    unsigned n;
    char names[DATABASES_MAX][DB_NAME];
} made;

int64_t in_ms(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((int64_t)t.tv_sec * 1000 + ms) * 1000000 + t.tv_nsec;
}

static bool step_until(int64_t deadline)
{
    (void)poll(NULL, 0, STEP_MS);
    return in_ms(0) < deadline;
}

static struct db db_named(const char *name)
{
    struct db d;
    (void)snprintf(d.name, sizeof(d.name), "%s", name);
    (void)snprintf(d.conninfo, sizeof(d.conninfo), "host=%s user=%s dbname=%s", pg_host, pg_user,
                   name);
    return d;
}

struct db db_pooled(const struct db *d)
{
    struct db pooled = *d;
    (void)snprintf(pooled.conninfo, sizeof(pooled.conninfo), "host=%s user=%s dbname=%s port=%d",
                   pg_host, pg_user, d->name, POOLER_PORT);
    return pooled;
}

/* --- Statements --------------------------------------------------------------------------------
 */

static void ignore_notice(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

/* False: *why says what PostgreSQL said. *ret (NULL is fine) as db_text(). */
static bool try_sql(const struct db *d, const char *sql, char *ret, size_t size, char why[TEXT])
{
    PGconn *conn = PQconnectdb(d->conninfo);
    (void)PQsetNoticeProcessor(conn, ignore_notice, NULL);
    PGresult *res = PQstatus(conn) == CONNECTION_OK ? PQexec(conn, sql) : NULL;
    const ExecStatusType status = PQresultStatus(res);
    const bool done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    (void)snprintf(why, TEXT, "%s", PQerrorMessage(conn));
    if (done && ret != NULL)
        (void)snprintf(ret, size, "%s", PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    PQfinish(conn);
    return done;
}

void db_sql(const struct db *d, const char *sql)
{
    char why[TEXT];
    if (!try_sql(d, sql, NULL, 0, why))
        ck_abort_msg("%s: %s", sql, why);
}

void db_text(const struct db *d, const char *sql, char *ret, size_t size)
{
    char why[TEXT];
    if (!try_sql(d, sql, ret, size, why))
        ck_abort_msg("%s: %s", sql, why);
}

int64_t db_int(const struct db *d, const char *sql)
{
    char text[32];
    db_text(d, sql, text, sizeof(text));
    return strtoll(text, NULL, 10);
}

void db_await(const struct db *d, const char *sql, const char *what)
{
    const int64_t deadline = in_ms(AWAIT_MS);
    char text[8];
    do {
        db_text(d, sql, text, sizeof(text));
        if (strcmp(text, "t") == 0)
            return;
    } while (step_until(deadline));
    ck_abort_msg("%s did not happen within %d s", what, AWAIT_MS / 1000);
}

/* --- Databases ---------------------------------------------------------------------------------
 */

static void drop_made(void)
{
    if (made.owner != getpid() || servers != NULL)
        return; /* registered by a parent; or all goes with the server's folder */
    const struct db postgres = db_named("postgres");
    for (unsigned i = 0; i < made.n; i++) {
        char sql[TEXT], why[TEXT];
        (void)snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", made.names[i]);
        (void)try_sql(&postgres, sql, NULL, 0, why);
    }
}

static void remember(const char *name)
{
    if (made.owner != getpid()) {
        made.owner = getpid();
        made.n = 0;
        (void)atexit(drop_made);
    }
    ck_assert_msg(made.n < DATABASES_MAX, "more than %d databases in a test", DATABASES_MAX);
    (void)snprintf(made.names[made.n], DB_NAME, "%s", name);
    made.n++;
}

/* For names: process ids come again, and a test that was killed leaves its database. */
static unsigned long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

struct db db_create(enum db_kind kind)
{
    char name[DB_NAME], sql[TEXT], why[TEXT];
    const unsigned n = made.owner == getpid() ? made.n : 0;
    (void)snprintf(name, sizeof(name), "test_%d_%u_%llx", (int)getpid(), n, now_us());
    remember(name);
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s STRATEGY FILE_COPY", name,
                   kind == DB_MIGRATED ? template_name : "template0");
    const struct db postgres = db_named("postgres"), d = db_named(name);
    if (!try_sql(&postgres, sql, NULL, 0, why))
        ck_abort_msg("%s: %s", sql, why);
    if (kind == DB_MANAGER)
        db_sql(&d, (const char *)migration_0001_shared_tables);
    return d;
}

struct pg *db_open(const struct db *d)
{
    struct pg *c = NULL;
    struct err e;
    assert_done(pg_open(d->conninfo, &c, &e), &e, "open the test's database");
    return c;
}

/* --- Servers -----------------------------------------------------------------------------------
 */

const char *redis_address(void)
{
    return redis_at;
}

struct redis *redis_open(void)
{
    struct redis *r = NULL;
    struct err e;
    assert_done(redis_create(redis_at, 2000, &r, &e), &e, "open Redis");
    return r;
}

static bool pg_answers(void)
{
    char why[TEXT];
    const struct db postgres = db_named("postgres");
    return try_sql(&postgres, "SELECT 1", NULL, 0, why);
}

static bool redis_answers(void)
{
    redisContext *c = redisConnectUnix(redis_at + strlen("unix:"));
    redisReply *reply = c != NULL && c->err == 0 ? redisCommand(c, "PING") : NULL;
    const bool ok = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    redisFree(c);
    return ok;
}

static bool pooler_answers(void)
{
    char why[TEXT];
    const struct db postgres = db_named("postgres"), pooled = db_pooled(&postgres);
    return try_sql(&pooled, "SELECT 1", NULL, 0, why);
}

static bool (*const answers[N_SERVERS])(void) = {
    [SERVER_PG] = pg_answers,
    [SERVER_REDIS] = redis_answers,
    [SERVER_POOLER] = pooler_answers,
};

static bool await_server(enum server which)
{
    const int64_t deadline = in_ms(START_MS);
    do {
        if (servers->failed)
            return false;
        if (servers->pid[which] > 0 && answers[which]())
            return true;
    } while (step_until(deadline));
    return false;
}

static void stop_server(enum server which, int signal_)
{
    ck_assert_msg(servers != NULL, "this test program must ask for SUPPORT_PRIVATE");
    const pid_t pid = servers->pid[which];
    servers->wanted[which] = false;
    kill(pid, SIGCONT);
    kill(pid, signal_);
    const int64_t deadline = in_ms(AWAIT_MS);
    while (servers->pid[which] == pid)
        ck_assert_msg(step_until(deadline), "server %d did not end", (int)which);
}

static void start_server(enum server which)
{
    servers->wanted[which] = true;
    servers_poke(servers);
    ck_assert_msg(await_server(which), "server %d did not start again", (int)which);
}

void pg_server_stop(bool crash)
{
    stop_server(SERVER_PG, crash ? SIGQUIT : SIGINT);
}

void pg_server_start(void)
{
    start_server(SERVER_PG);
}

void redis_server_stop(void)
{
    stop_server(SERVER_REDIS, SIGKILL);
}

void redis_server_start(void)
{
    start_server(SERVER_REDIS);
}

pid_t redis_server_pid(void)
{
    return servers->pid[SERVER_REDIS];
}

const char *pg_server_data(void)
{
    static char path[96];
    (void)snprintf(path, sizeof(path), "%s/data", servers->folder);
    return path;
}

/* --- The program -------------------------------------------------------------------------------
 */

static int use_servers(unsigned flags)
{
    if ((flags & SUPPORT_ALONE) != 0 && getenv("BERTH_TEST_ALONE") == NULL)
        flags |= SUPPORT_PRIVATE;
    const bool private_ = (flags & (SUPPORT_PRIVATE | SUPPORT_POOLER)) != 0;
    const char *host = private_ ? NULL : getenv("BERTH_TEST_PGHOST");
    const bool rounds = (flags & SUPPORT_ROUNDS) != 0;
    const char *address = private_ || rounds ? NULL : getenv("BERTH_TEST_REDIS");
    const char *user = getenv("BERTH_TEST_PGUSER");
    const bool wanted[N_SERVERS] = {
        [SERVER_PG] = (flags & SUPPORT_PG) != 0 && host == NULL,
        [SERVER_REDIS] = (flags & SUPPORT_REDIS) != 0 && address == NULL,
        [SERVER_POOLER] = (flags & SUPPORT_POOLER) != 0,
    };
    if (wanted[SERVER_PG] || wanted[SERVER_REDIS]) {
        servers = servers_create(wanted);
        if (servers == NULL)
            return -1;
    }
    (void)snprintf(pg_host, sizeof(pg_host), "%s",
                   wanted[SERVER_PG] ? servers->folder
                   : host            ? host
                                     : "");
    (void)snprintf(pg_user, sizeof(pg_user), "%s", host != NULL && user != NULL ? user : "berth");
    if (wanted[SERVER_REDIS])
        (void)snprintf(redis_at, sizeof(redis_at), "unix:%s/redis.sock", servers->folder);
    else
        (void)snprintf(redis_at, sizeof(redis_at), "%s", address != NULL ? address : "");
    for (int i = 0; i < N_SERVERS; i++)
        if (wanted[i] && !await_server(i)) {
            (void)fprintf(stderr, "test servers: server %d did not start\n", i);
            return -1;
        }
    return 0;
}

/* A template that many programs use. */
static const char *shared_template(void)
{
    return servers == NULL ? getenv("BERTH_TEST_TEMPLATE") : NULL;
}

static bool database_exists(const char *name)
{
    char sql[TEXT], why[TEXT], found[8] = "";
    const struct db postgres = db_named("postgres");
    (void)snprintf(sql, sizeof(sql), "SELECT 1 FROM pg_database WHERE datname = '%s'", name);
    return try_sql(&postgres, sql, found, sizeof(found), why) && *found != '\0';
}

static void drop_template(void)
{
    char sql[TEXT], why[TEXT];
    const struct db postgres = db_named("postgres");
    (void)snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", template_name);
    (void)try_sql(&postgres, sql, NULL, 0, why);
}

/* Gives the template that is made the shared name, unless another program was first. */
static int share_template(void)
{
    char sql[TEXT], why[TEXT];
    const char *name = shared_template();
    const struct db postgres = db_named("postgres");
    (void)snprintf(sql, sizeof(sql), "ALTER DATABASE %s RENAME TO %s", template_name, name);
    if (!try_sql(&postgres, sql, NULL, 0, why)) {
        drop_template();
        if (!database_exists(name)) {
            (void)fprintf(stderr, "test servers: %s: %s\n", sql, why);
            return -1;
        }
    }
    (void)snprintf(template_name, sizeof(template_name), "%s", name);
    return 0;
}

/* The migrated database that the tests' databases are copies of. */
static int make_template(void)
{
    char sql[TEXT], why[TEXT];
    struct err e;
    struct pg *c = NULL;
    if (shared_template() != NULL && database_exists(shared_template())) {
        (void)snprintf(template_name, sizeof(template_name), "%s", shared_template());
        return 0;
    }
    (void)snprintf(template_name, sizeof(template_name), "template_%d_%llx", (int)getpid(),
                   now_us());
    const struct db postgres = db_named("postgres"), template = db_named(template_name);
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE template0", template_name);
    if (!try_sql(&postgres, sql, NULL, 0, why)) {
        (void)fprintf(stderr, "test servers: %s: %s\n", sql, why);
        return -1;
    }
    const struct migrate_options options = {.adopt = false};
    const int done = pg_open(template.conninfo, &c, &e) < 0 || migrate_run(c, &options, &e) < 0;
    if (done != 0)
        (void)fprintf(stderr, "test servers: cannot migrate: %s (%s)\n", e.message, e.detail);
    pg_close(c);
    if (done != 0)
        return -1;
    return shared_template() != NULL ? share_template() : 0;
}

int support_run(Suite *suite, unsigned flags)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as berthd does */
    SRunner *runner = srunner_create(suite);
    int failed = 1;
    if (use_servers(flags) == 0 && ((flags & SUPPORT_PG) == 0 || make_template() == 0)) {
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
    }
    srunner_free(runner);
    if (servers == NULL && shared_template() == NULL && *template_name != '\0')
        drop_template();
    servers_destroy(servers);
    servers = NULL;
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
