/* txn.c - transactions: begin with their limits, commit without guessing, run again when told to.
 */
#include "repo/txn.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "repo/fault.h"
#include "repo/pg_conn.h"

enum {
    TXN_ATTEMPTS = 20,
    TXN_FIRST_WAIT_MS = 20,
    TXN_LAST_WAIT_MS = 5000,
    CLIENT_CHECK_MS = 250 /* how soon the server notices that we dropped a connection */
};

static const struct {
    const char *begin;
    const char *first; /* TXN_WRITE takes its id at once: it costs no round trip here, and a COMMIT
                          whose answer is lost can be asked about */
} modes[] = {
    [TXN_READ_SNAPSHOT] = {"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", ""},
    [TXN_WRITE] = {"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE",
                   "; SET LOCAL random_page_cost = 1.1; SELECT pg_current_xact_id()::text"},
};

/* random_page_cost: writers look up a few thousand rows by id that were read a moment ago; at the
 * default the planner would read whole tables for them.
 *
 * The limits are SET LOCAL, in the same message as BEGIN: behind a pooler nothing else is sure to
 * reach the right server, and nothing is left behind. statement_timeout is a little shorter than
 * our own deadline, so that a slow statement ends with an answer rather than a dropped connection;
 * the idle timeout frees the row locks of a process that was stopped. */
static int send_begin(struct pg *c, struct txn *t, struct err *e)
{
    const int64_t now = pg_now();
    const int64_t left = (t->deadline - now) / 1000000;
    const int64_t timeout = left - left / 20 > 1 ? left - left / 20 : 1;
    char sql[512];
    const int n = snprintf(
        sql, sizeof(sql),
        "%s; SET LOCAL statement_timeout = %" PRId64
        "; SET LOCAL idle_in_transaction_session_timeout = %" PRId64
        "; SET LOCAL client_connection_check_interval = %d; SET LOCAL jit = off%s",
        modes[t->mode].begin, timeout, left + PG_GRACE_MS, CLIENT_CHECK_MS, modes[t->mode].first);
    assert(n > 0 && (size_t)n < sizeof(sql));
    t->timeout = now + timeout * 1000000;
    CLEANUP(PQclearp) PGresult *res = NULL;
    if (pg_simple(c, sql, t->deadline, &res, e) < 0)
        return -1;
    if (t->mode == TXN_WRITE)
        (void)snprintf(t->xid, sizeof(t->xid), "%s", PQgetvalue(res, 0, 0));
    return 0;
}

/* What a standby answers to BEGIN READ WRITE is "feature not supported". */
static void explain_standby(struct err *e)
{
    if (e == NULL || strstr(e->detail, "0A000") == NULL)
        return;
    char words[sizeof(e->detail)];
    (void)snprintf(words, sizeof(words), "%s", e->detail);
    err_set(e, ERR_UNAVAILABLE, "READ_ONLY", "The database is read-only: it may be a replica.");
    err_detail(e, "%s", words);
}

int txn_begin(struct pg *c, enum txn_mode mode, struct txn **ret, struct err *e)
{
    struct txn *t = &c->txn;
    assert(t->pg == NULL); /* one at a time */
    *t = (struct txn){
        .mode = mode,
        .deadline = c->deadline != 0 ? c->deadline : pg_after_ms(PG_DEFAULT_MS),
    };
    if (pg_connect(c, t->deadline, e) < 0)
        return -1;
    if (send_begin(c, t, e) < 0) {
        explain_standby(e);
        pg_disconnect(c); /* BEGIN may have been done: the transaction ends with the connection */
        return -1;
    }
    t->pg = c;
    pool_busy(POOL_DATABASE);
    *ret = t;
    return 0;
}

void txn_rollback(struct txn *t)
{
    if (t == NULL)
        return;
    struct pg *c = TAKE(t->pg);
    assert(c != NULL);
    pool_idle(POOL_DATABASE);
    if (c->conn == NULL)
        return;
    const int64_t grace = pg_after_ms(PG_GRACE_MS);
    c->uncancellable = true; /* the work was cancelled, not the tidying up */
    if (pg_simple(c, "ROLLBACK", grace, NULL, NULL) < 0)
        pg_disconnect(c);
    c->uncancellable = false;
}

/* Waits in ever longer steps, up to half a second. */
static void pause_before(unsigned attempt)
{
    static const int ms[] = {20, 40, 80, 160, 320, 500};
    (void)poll(NULL, 0, ms[attempt < ARRAY_SIZE(ms) ? attempt : ARRAY_SIZE(ms) - 1]);
}

/* One question on a fresh connection: 1 committed, 0 rolled back, -1 not known yet. A backend that
 * still holds the transaction cannot answer anybody any more, so after a while it is ended. */
static int ask_outcome(struct pg *c, const char *xid, bool end_it, int64_t deadline, struct err *e)
{
    static const char status_sql[] = "SELECT pg_xact_status($1::text::xid8)";
    static const char end_sql[] =
        "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity"
        " WHERE backend_xid = $1::text::xid8::xid"; /* never our own: it has no id */
    const char *const sqls[] = {status_sql, end_it ? end_sql : NULL};
    if (pg_connect(c, deadline, e) < 0)
        return -1;
    for (unsigned i = 0; i < ARRAY_SIZE(sqls) && sqls[i] != NULL; i++) {
        CLEANUP(PQclearp) PGresult *res = NULL;
        const char *const values[] = {xid};
        if (PQsendQueryParams(c->conn, sqls[i], 1, NULL, values, NULL, NULL, 0) == 0)
            return pg_fail(c, NULL, e);
        if (pg_flush(c, deadline, e) < 0 || pg_next_result(c, deadline, &res, e) < 0)
            return -1;
        if (PQresultStatus(res) != PGRES_TUPLES_OK) {
            pg_fail(c, res, e);
            pg_drain(c, deadline);
            return -1;
        }
        pg_drain(c, deadline);
        const char *status = PQgetvalue(res, 0, 0);
        if (i == 0 && strcmp(status, "committed") == 0)
            return 1;
        if (i == 0 && strcmp(status, "aborted") == 0)
            return 0;
    }
    return err_set(e, ERR_UNAVAILABLE, "COMMIT_UNKNOWN", "The transaction has not ended yet.");
}

/* The connection was lost between COMMIT and its answer. Never guesses. */
static int resolve(struct pg *c, const char *xid, struct err *e)
{
    enum { PATIENCE = 3 };
    struct err last = {.detail = ""};
    const int64_t deadline = pg_after_ms(PG_RESOLVE_MS);
    for (unsigned attempt = 0; pg_now() < deadline; attempt++) {
        const int committed = ask_outcome(c, xid, attempt >= PATIENCE, deadline, &last);
        if (committed == 1)
            return 0;
        if (committed == 0) {
            err_set(e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "The database is not reachable.");
            return err_detail(e, "connection lost at COMMIT; transaction %s was rolled back", xid);
        }
        pause_before(attempt);
    }
    err_set(e, ERR_UNAVAILABLE, "COMMIT_UNKNOWN",
            "The connection was lost while the change was being stored; whether it was stored is"
            " not known. Look before asking again.");
    return err_detail(e, "transaction %s: %s %s", xid, last.message, last.detail);
}

/* 0: the server answered, *ret_res says what; -1: it did not. */
static int send_commit(struct pg *c, int64_t deadline, PGresult **ret_res, struct err *e)
{
    if (PQsendQuery(c->conn, "COMMIT") == 0)
        return pg_fail(c, NULL, e);
    if (pg_flush(c, deadline, e) < 0)
        return -1;
    if (c->txn.mode == TXN_WRITE)
        FAULT_POINT(commit_sent);
    if (pg_next_result(c, deadline, ret_res, e) < 0)
        return -1;
    const ExecStatusType status = PQresultStatus(*ret_res);
    if (status == PGRES_FATAL_ERROR) {
        pg_fail(c, *ret_res, e);
        if (c->conn == NULL)
            return -1; /* the server's last words, not an answer to COMMIT */
    }
    pg_drain(c, deadline);
    return 0;
}

static int commit_write(struct pg *c, const struct txn *t, struct err *e)
{
    CLEANUP(PQclearp) PGresult *res = NULL;
    const int64_t deadline = t->deadline + (int64_t)PG_RESOLVE_MS * 1000000;
    if (t->mode == TXN_WRITE)
        FAULT_POINT(commit_due);
    if (send_commit(c, deadline, &res, e) < 0) {
        pg_disconnect(c);
        return t->mode == TXN_WRITE ? resolve(c, t->xid, e) : -1;
    }
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return -1; /* *e was filled; the server has rolled back */
    if (strcmp(PQcmdStatus(res), "COMMIT") != 0)
        return err_set(e, ERR_INTERNAL, "COMMIT_ROLLED_BACK",
                       "The transaction had failed, COMMIT rolled it back.");
    if (t->mode == TXN_WRITE)
        FAULT_POINT(commit_done);
    return 0;
}

int txn_commit(struct txn **t, struct err *e)
{
    struct txn *own = TAKE(*t);
    struct pg *c = own->pg;
    assert(c != NULL);
    if (c->conn == NULL) {
        own->pg = NULL;
        pool_idle(POOL_DATABASE);
        return err_set(e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE",
                       "The connection was lost before COMMIT.");
    }
    if (pg_now() >= own->deadline) { /* nobody waits for it any more */
        txn_rollback(own);
        return err_set(e, ERR_TIMEOUT, "DATABASE_TIMEOUT", "Time was up before COMMIT.");
    }
    own->pg = NULL;
    c->uncancellable = true;
    const int done = commit_write(c, own, e);
    c->uncancellable = false;
    pool_idle(POOL_DATABASE);
    return done;
}

/* Where failures of this kind are counted when they are tried again; NULL: they are not. */
static unsigned *retries_of(struct pg *c, const struct err *e)
{
    if (e->reason != NULL && strcmp(e->reason, "SERIALIZATION_FAILURE") == 0)
        return &c->retries.serialization_failure;
    if (e->reason != NULL && strcmp(e->reason, "DEADLOCK") == 0)
        return &c->retries.deadlock;
    return NULL;
}

struct pg_retries pg_take_retries(struct pg *c)
{
    struct pg_retries taken = c->retries;
    c->retries = (struct pg_retries){.deadlock = 0};
    return taken;
}

static int run_once(struct pg *c, enum txn_mode mode, txn_body_f *body, void *ctx, struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(c, mode, &t, e) < 0 || body(t, ctx, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

/* Full jitter: anything up to the attempt's limit. False: no time is left for it, or cancelled,
 * which *e then says. */
static bool wait_before_retry(struct pg *c, unsigned attempt, int64_t deadline, struct err *e)
{
    int64_t limit = (int64_t)TXN_FIRST_WAIT_MS << (attempt < 8 ? attempt : 8);
    if (limit > TXN_LAST_WAIT_MS)
        limit = TXN_LAST_WAIT_MS;
    const int64_t until = pg_now() + (int64_t)pg_random(c, (uint64_t)limit * 1000000);
    if (until >= deadline)
        return false;
    struct pollfd wake = {.fd = c->wake_fd, .events = POLLIN};
    for (int64_t left = until - pg_now(); left > 0; left = until - pg_now())
        if (poll(&wake, 1, (int)((left + 999999) / 1000000)) > 0) {
            err_set(e, ERR_CANCELLED, "CANCELLED", "The caller went away.");
            return false;
        }
    return true;
}

int txn_run(struct pg *c, enum txn_mode mode, txn_body_f *body, void *ctx, struct err *e)
{
    const int64_t given = c->deadline;
    const int64_t deadline = given != 0 ? given : pg_after_ms(PG_DEFAULT_MS);
    struct err last = {.code = ERR_NONE};
    c->deadline = deadline; /* for all attempts together */
    int done = -1;
    for (unsigned attempt = 0; attempt < TXN_ATTEMPTS; attempt++) {
        last = (struct err){.code = ERR_NONE};
        done = run_once(c, mode, body, ctx, &last);
        unsigned *retries = done < 0 ? retries_of(c, &last) : NULL;
        if (retries == NULL || attempt + 1 == TXN_ATTEMPTS ||
            !wait_before_retry(c, attempt, deadline, &last))
            break;
        ++*retries;
    }
    c->deadline = given;
    if (done < 0 && e != NULL)
        *e = last;
    return done;
}
