/* pg.c - one PostgreSQL connection: opening it, waiting on it, and giving it up. */
#include "repo/pg_conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "repo/password.h"
#include "repo/pg.h"

int64_t pg_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t pg_after_ms(int64_t ms)
{
    return pg_now() + ms * 1000000;
}

uint64_t pg_random(struct pg *c, uint64_t n)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return c->random % n;
}

int pg_create(const char *conninfo, struct pg **ret, struct err *e)
{
    struct pg *c = calloc(1, sizeof(*c));
    if (c == NULL)
        abort();
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->conninfo = strdup(conninfo);
    if (c->wake_fd < 0 || c->conninfo == NULL) {
        err_set(e, ERR_EXHAUSTED, "NO_DESCRIPTORS", "No file descriptor is left.");
        err_detail(e, "eventfd: %s", strerror(errno));
        goto fail;
    }
    if (getrandom(&c->random, sizeof(c->random), 0) != sizeof(c->random) || c->random == 0)
        c->random = (uint64_t)pg_now() | 1;
    *ret = c;
    return 0;
fail:
    pg_close(c);
    return -1;
}

int pg_open(const char *conninfo, struct pg **ret, struct err *e)
{
    struct pg *c = NULL;
    if (pg_create(conninfo, &c, e) < 0)
        return -1;
    if (pg_connect(c, pg_after_ms(PG_DEFAULT_MS), e) < 0)
        goto fail;
    *ret = c;
    return 0;
fail:
    pg_close(c);
    return -1;
}

void pg_close(struct pg *c)
{
    if (c == NULL)
        return;
    pg_disconnect(c);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    free(c->conninfo);
    free(c);
}

void pg_deadline(struct pg *c, int64_t monotonic_ns)
{
    uint64_t forgotten;
    c->deadline = monotonic_ns;
    (void)!read(c->wake_fd, &forgotten, sizeof(forgotten)); /* EAGAIN: no cancel was asked for */
}

void pg_cancel(struct pg *c)
{
    const uint64_t one = 1;
    (void)!write(c->wake_fd, &one, sizeof(one)); /* EAGAIN: asked for very often already */
}

void pg_disconnect(struct pg *c)
{
    if (c->conn == NULL)
        return;
    PQfinish(c->conn);
    c->conn = NULL;
    pool_closed(POOL_DATABASE);
}

/* Waits for `events` on the socket. Every wait of the layer for the database is this one. */
static int wait_socket(struct pg *c, int fd, short events, int64_t deadline, struct err *e)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = c->wake_fd, .events = POLLIN}};
    const nfds_t n = c->uncancellable ? 1 : 2;
    for (;;) {
        const int64_t left = deadline - pg_now();
        if (left <= 0)
            return err_set(e, ERR_TIMEOUT, "DATABASE_TIMEOUT",
                           "The database did not answer in time.");
        const int64_t ms = (left + 999999) / 1000000;
        const int ready = poll(fds, n, ms > 60000 ? 60000 : (int)ms);
        if (ready < 0 && errno != EINTR)
            return err_set(e, ERR_INTERNAL, "POLL_FAILED", "poll: %s", strerror(errno));
        if (ready > 0 && fds[1].revents != 0)
            return err_set(e, ERR_CANCELLED, "CANCELLED", "The caller went away.");
        if (ready > 0)
            return 0;
    }
}

/* As above on an open connection, which is dropped when the wait ends without the event: what was
 * asked is still under way and its answer must not be taken for that of a later question. */
static int wait_or_drop(struct pg *c, short events, int64_t deadline, struct err *e)
{
    if (wait_socket(c, PQsocket(c->conn), events, deadline, e) == 0)
        return 0;
    pg_disconnect(c);
    return -1;
}

static void ignore_notice(void *ctx, const PGresult *res)
{
    (void)ctx;
    (void)res;
}

static int connect_poll(struct pg *c, PGconn *conn, int64_t deadline, struct err *e)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (state == PGRES_POLLING_FAILED)
            return pg_fail_connect(conn, e);
        if (wait_socket(c, PQsocket(conn), events, deadline, e) < 0) {
            if (e != NULL && e->code == ERR_TIMEOUT) {
                err_set(e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE",
                        "The database is not reachable.");
                err_detail(e, "no connection within the time limit");
            }
            return -1;
        }
        state = PQconnectPoll(conn);
    }
    return 0;
}

/* An idle connection has nothing to read, unless the server is ending it (or, rarely, tells of a
 * changed setting: one connection too many is the lesser evil). */
static bool is_usable(struct pg *c)
{
    if (c->conn == NULL || PQstatus(c->conn) != CONNECTION_OK ||
        PQtransactionStatus(c->conn) != PQTRANS_IDLE)
        return false;
    struct pollfd fd = {.fd = PQsocket(c->conn), .events = POLLIN};
    return poll(&fd, 1, 0) == 0;
}

/* A password of the connection string comes later, and so is stronger than that of the file. */
static int start_connection(struct pg *c, PGconn **ret, struct err *e)
{
    char password[PASSWORD_MAX + 1];
    if (password_of_pg(password, e) < 0)
        return -1;
    const bool none = *password == '\0';
    const char *const keys[] = {"password", "dbname", "fallback_application_name",
                                "client_encoding", NULL};
    const char *const values[] = {password, c->conninfo, "berthd", "UTF8", NULL};
    *ret = PQconnectStartParams(keys + none, values + none, 1);
    password_wipe(password);
    return 0;
}

/* libpq's words about a connection string it cannot read repeat parts of it: the password, where
 * that has the blank or the % that is wrong. A plain name of a database is none it would read. */
static bool is_misspelt(const char *conninfo)
{
    if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL)
        return false;
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    PQconninfoFree(options);
    return options == NULL;
}

static int fail_start(const struct pg *c, const PGconn *conn, struct err *e)
{
    pg_fail_connect(conn, e);
    return is_misspelt(c->conninfo)
               ? err_detail(e, "the connection string cannot be read: quote a value with blanks, "
                               "and write %% in a URI as %%25")
               : -1;
}

int pg_connect(struct pg *c, int64_t deadline, struct err *e)
{
    if (is_usable(c))
        return 0;
    pg_disconnect(c);
    const int64_t limit = pg_after_ms(PG_CONNECT_MS);
    PGconn *conn = NULL;
    if (start_connection(c, &conn, e) < 0)
        goto fail;
    if (conn == NULL || PQstatus(conn) == CONNECTION_BAD) {
        fail_start(c, conn, e);
        goto fail;
    }
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* pg_fail_connect() reads the SQLSTATE */
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    if (connect_poll(c, conn, deadline < limit ? deadline : limit, e) < 0)
        goto fail;
    if (PQsetnonblocking(conn, 1) != 0) {
        pg_fail_connect(conn, e);
        goto fail;
    }
    c->conn = conn;
    pool_opened(POOL_DATABASE, &c->was_open);
    return 0;
fail:
    pool_failed(POOL_DATABASE);
    PQfinish(conn);
    return -1;
}

int pg_flush(struct pg *c, int64_t deadline, struct err *e)
{
    int more;
    while ((more = PQflush(c->conn)) == 1) {
        if (wait_or_drop(c, POLLIN | POLLOUT, deadline, e) < 0)
            return -1;
        if (PQconsumeInput(c->conn) == 0)
            return pg_fail(c, NULL, e);
    }
    return more < 0 ? pg_fail(c, NULL, e) : 0;
}

int pg_next_result(struct pg *c, int64_t deadline, PGresult **ret, struct err *e)
{
    while (PQisBusy(c->conn)) {
        if (wait_or_drop(c, POLLIN, deadline, e) < 0)
            return -1;
        if (PQconsumeInput(c->conn) == 0)
            break; /* the connection ended; what the server said last is the result */
    }
    *ret = PQgetResult(c->conn);
    return 0;
}

void pg_drain(struct pg *c, int64_t deadline)
{
    while (c->conn != NULL) {
        CLEANUP(PQclearp) PGresult *res = NULL;
        if (pg_next_result(c, deadline, &res, NULL) < 0 || res == NULL)
            return;
        if (PQstatus(c->conn) == CONNECTION_BAD)
            pg_disconnect(c);
    }
}

/* Keeps the last result of the answer in *last; the first failed one ends it. */
static int read_simple(struct pg *c, int64_t deadline, PGresult **last, struct err *e)
{
    for (;;) {
        CLEANUP(PQclearp) PGresult *res = NULL;
        if (pg_next_result(c, deadline, &res, e) < 0)
            return -1;
        if (res == NULL)
            return 0;
        const ExecStatusType status = PQresultStatus(res);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            pg_fail(c, res, e);
            pg_drain(c, deadline);
            return -1;
        }
        PQclear(*last);
        *last = TAKE(res);
    }
}

int pg_simple(struct pg *c, const char *sql, int64_t deadline, PGresult **ret, struct err *e)
{
    CLEANUP(PQclearp) PGresult *last = NULL;
    assert(c->conn != NULL);
    if (PQsendQuery(c->conn, sql) == 0)
        return pg_fail(c, NULL, e);
    if (pg_flush(c, deadline, e) < 0 || read_simple(c, deadline, &last, e) < 0)
        return -1;
    if (ret != NULL)
        *ret = TAKE(last);
    return 0;
}
