/* test_pg.c - one connection: errors by kind, waits that end. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pg_query.h"
#include "tests/repo/support.h"

static struct err e;

/* One query in a transaction of its own; the rows are the caller's. */
static int query(struct pg *c, const char *sql, const char *columns, const struct pg_param *p,
                 uint32_t n, struct pg_rows **ret)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(c, TXN_WRITE, &t, &e) < 0)
        return -1;
    return pg_query(t, sql, columns, p, n, ret, &e);
}

/* --- Errors ------------------------------------------------------------------------------------
 */

/* clang-format off */
static const struct {
    const char *what, *sql;
    enum err_code code;
    const char *reason;
} failures[] = {
    {"a table that does not exist",  "SELECT 1 FROM nowhere",                ERR_PRECONDITION, "SCHEMA_MISSING"},
    {"a schema that does not exist", "CREATE TABLE nowhere.x ()",            ERR_PRECONDITION, "SCHEMA_MISSING"},
    {"a column that does not exist", "SELECT nothing FROM pg_class",         ERR_PRECONDITION, "SCHEMA_MISMATCH"},
    {"an extra table's lock",        "SELECT raise('55P03')",                ERR_CONFLICT,     "LOCK_TIMEOUT"},
    {"a serialization failure",      "SELECT raise('40001')",                ERR_CONFLICT,     "SERIALIZATION_FAILURE"},
    {"a deadlock",                   "SELECT raise('40P01')",                ERR_CONFLICT,     "DEADLOCK"},
    {"a full disk",                  "SELECT raise('53100')",                ERR_UNAVAILABLE,  "DISK_FULL"},
    {"no memory on the server",      "SELECT raise('53200')",                ERR_UNAVAILABLE,  "DATABASE_OUT_OF_MEMORY"},
    {"another limit of the server",  "SELECT raise('53400')",                ERR_UNAVAILABLE,  "DATABASE_EXHAUSTED"},
    {"a broken disk",                "SELECT raise('58030')",                ERR_UNAVAILABLE,  "DATABASE_IO"},
    {"a server that shuts down",     "SELECT raise('57P01')",                ERR_UNAVAILABLE,  "DATABASE_UNAVAILABLE"},
    {"a key that exists",            "INSERT INTO one VALUES (1)",           ERR_CONFLICT,     "UNIQUE_VIOLATION"},
    {"a row a CHECK refuses",        "INSERT INTO one VALUES (-1)",          ERR_INTERNAL,     "CONSTRAINT_VIOLATION"},
    {"a permission that is missing", "SELECT raise('42501')",                ERR_PRECONDITION, "DATABASE_PERMISSION"},
    {"a corrupted page",             "SELECT raise('XX001')",                ERR_INTERNAL,     "DATABASE_CORRUPTED"},
    {"a division by zero",           "SELECT 1 / (SELECT 0)",                ERR_INTERNAL,     "BAD_VALUE"},
    {"a state nobody listed",        "SELECT raise('P0001')",                ERR_INTERNAL,     "DATABASE_ERROR"},
    {"a statement cancelled by hand","SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)",
                                                                             ERR_UNAVAILABLE,  "STATEMENT_CANCELLED"},
    {"a backend that is terminated", "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(10)",
                                                                             ERR_UNAVAILABLE,  "DATABASE_UNAVAILABLE"},
};
/* clang-format on */

START_TEST(pg_maps_sqlstate_as_tabled)
{
    const struct db d = db_create(DB_EMPTY);
    db_sql(&d, "CREATE TABLE one (n int PRIMARY KEY CHECK (n > 0)); INSERT INTO one VALUES (1);"
               "CREATE FUNCTION raise(state text) RETURNS int LANGUAGE plpgsql AS"
               " $$BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = state; END$$");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, failures[_i].what);
    assert_failed(pg_exec(t, failures[_i].sql, NULL, 0, NULL, &e), &e, failures[_i].code,
                  failures[_i].reason, failures[_i].what);
    ck_assert_msg(strlen(e.detail) > 0, "%s: the server's words are kept", failures[_i].what);
    txn_rollback(TAKE(t));
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    assert_done(query(c, "SELECT 1", "i", NULL, 0, &r), &e, "the connection is usable after");
}
END_TEST

START_TEST(pg_refuses_more_work_in_a_failed_transaction)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_failed(pg_exec(t, "SELECT 1 FROM nowhere", NULL, 0, NULL, &e), &e, ERR_PRECONDITION,
                  "SCHEMA_MISSING", "the first failure");
    assert_failed(pg_exec(t, "SELECT 1", NULL, 0, NULL, &e), &e, ERR_INTERNAL, "TRANSACTION_FAILED",
                  "a statement after it");
}
END_TEST

/* clang-format off */
static const struct {
    const char *what, *conninfo; /* one %s: a live server's host and user */
    enum err_code code;
    const char *reason;
} refusals[] = {
    {"no server at the socket",   "host=/nonexistent dbname=x",          ERR_UNAVAILABLE,  "DATABASE_UNAVAILABLE"},
    {"no server at the port",     "host=127.0.0.1 port=1 dbname=x",      ERR_UNAVAILABLE,  "DATABASE_UNAVAILABLE"},
    {"words that are no address", "this is = no conninfo '",             ERR_UNAVAILABLE,  "DATABASE_UNAVAILABLE"},
    {"no such database",          "%s dbname=nowhere",                   ERR_PRECONDITION, "DATABASE_MISSING"},
    {"no such user",              "%s user=nobody_at_all",               ERR_UNAVAILABLE,  "DATABASE_LOGIN"},
};
/* clang-format on */

START_TEST(pg_open_says_why_it_cannot)
{
    const struct db d = db_create(DB_EMPTY);
    char conninfo[512];
    /* The later word wins in a conninfo. */
    const char *at = strstr(refusals[_i].conninfo, "%s");
    (void)snprintf(conninfo, sizeof(conninfo), "%s%s", at != NULL ? d.conninfo : "",
                   at != NULL ? at + 2 : refusals[_i].conninfo);
    struct pg *c = NULL;
    assert_failed(pg_open(conninfo, &c, &e), &e, refusals[_i].code, refusals[_i].reason,
                  refusals[_i].what);
    ck_assert_msg(c == NULL, "%s: the output is untouched", refusals[_i].what);
    assert_done(pg_create(conninfo, &c, &e), &e, "pg_create does not connect");
    struct txn *t = NULL;
    assert_failed(txn_begin(c, TXN_WRITE, &t, &e), &e, refusals[_i].code, refusals[_i].reason,
                  "the first use says the same");
    pg_close(c);
}
END_TEST

START_TEST(pg_open_names_too_many_connections)
{
    const struct db d = db_create(DB_EMPTY);
    struct pg *open[80] = {NULL};
    unsigned n = 0;
    while (n < ARRAY_SIZE(open) && pg_open(d.conninfo, &open[n], &e) == 0)
        n++;
    ck_assert_msg(n < ARRAY_SIZE(open), "the server takes more than %u connections", n);
    ck_assert_str_eq(e.reason, "TOO_MANY_CONNECTIONS");
    ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
    for (unsigned i = 0; i < n; i++)
        pg_close(open[i]);
}
END_TEST

/* --- Waits -------------------------------------------------------------------------------------
 */

START_TEST(pg_sets_its_limits_inside_the_transaction)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    pg_deadline(c, in_ms(10000));
    assert_done(query(c,
                      "SELECT current_setting('application_name'), current_setting('jit'),"
                      " extract(epoch FROM current_setting('statement_timeout')::interval)::float8"
                      " BETWEEN 8 AND 10",
                      "ttb", NULL, 0, &r),
                &e, "settings");
    ck_assert_str_eq(rows_text(r, 0, 0), "berthd");
    ck_assert_str_eq(rows_text(r, 0, 1), "off");
    ck_assert_msg(rows_bool(r, 0, 2), "statement_timeout follows the deadline");
}
END_TEST

START_TEST(pg_ends_a_slow_statement_at_the_deadline)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct pg_rows *r = NULL;
    const int64_t start = in_ms(0);
    pg_deadline(c, in_ms(400));
    assert_failed(query(c, "SELECT pg_sleep(20)::text", "t", NULL, 0, &r), &e, ERR_TIMEOUT,
                  "STATEMENT_TIMEOUT", "a statement longer than the deadline");
    ck_assert_msg(in_ms(0) - start < 5000000000, "it took %lld ms",
                  (long long)(in_ms(0) - start) / 1000000);
    struct txn *t = NULL;
    pg_deadline(c, in_ms(-1));
    assert_failed(txn_begin(c, TXN_WRITE, &t, &e), &e, ERR_TIMEOUT, "DATABASE_TIMEOUT",
                  "a transaction after the deadline");
    pg_deadline(c, 0);
    assert_done(query(c, "SELECT 'x'::text", "t", NULL, 0, &r), &e, "the next piece of work");
    rows_free(r);
}
END_TEST

START_TEST(pg_gives_up_on_a_server_that_says_nothing)
{
    /* Several statements, so that the last one outlives the deadline but not its own timeout. */
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pg_deadline(c, in_ms(600));
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "SELECT pg_sleep(0.4)", NULL, 0, NULL, &e), &e, "the first statement");
    assert_failed(pg_exec(t, "SELECT pg_sleep(0.5)", NULL, 0, NULL, &e), &e, ERR_TIMEOUT,
                  "DATABASE_TIMEOUT", "the second");
    assert_failed(pg_exec(t, "SELECT 1", NULL, 0, NULL, &e), &e, ERR_UNAVAILABLE,
                  "DATABASE_UNAVAILABLE", "the connection was dropped");
    txn_rollback(TAKE(t));
    db_await(&d,
             "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)%'"
             " AND state = 'active' AND pid <> pg_backend_pid()",
             "the server noticed that the client had gone");
}
END_TEST

static void *cancel_when_running(void *ctx)
{
    struct {
        struct pg *c;
        const struct db *d;
    } *arg = ctx;
    db_await(arg->d,
             "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%'"
             " AND state = 'active' AND pid <> pg_backend_pid()",
             "the statement runs");
    pg_cancel(arg->c);
    return NULL;
}

START_TEST(pg_cancel_stops_what_runs_from_another_thread)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct pg_rows *r = NULL;
    struct {
        struct pg *c;
        const struct db *d;
    } arg = {c, &d};
    pthread_t thread;
    pg_deadline(c, in_ms(20000));
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_running, &arg), 0);
    assert_failed(query(c, "SELECT pg_sleep(30)::text", "t", NULL, 0, &r), &e, ERR_CANCELLED,
                  "CANCELLED", "a statement that is cancelled");
    pthread_join(thread, NULL);
    assert_failed(query(c, "SELECT 'x'::text", "t", NULL, 0, &r), &e, ERR_CANCELLED, "CANCELLED",
                  "more of the same piece of work");
    pg_deadline(c, 0);
    assert_done(query(c, "SELECT 'x'::text", "t", NULL, 0, &r), &e, "the next piece of work");
    rows_free(r);
    db_await(&d,
             "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%'"
             " AND state = 'active' AND pid <> pg_backend_pid()",
             "the server stopped the statement");
}
END_TEST

START_TEST(pg_reconnects_after_the_server_was_restarted)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct pg_rows *r = NULL;
    pg_server_stop(_i == 1);
    assert_failed(query(c, "SELECT 'x'::text", "t", NULL, 0, &r), &e, ERR_UNAVAILABLE,
                  "DATABASE_UNAVAILABLE", "while the server is away");
    pg_server_start();
    assert_done(query(c, "SELECT 'x'::text", "t", NULL, 0, &r), &e, "when it is back");
    rows_free(r);
}
END_TEST

START_TEST(pg_notices_an_idle_connection_that_was_closed)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct pg_rows *r = NULL;
    db_sql(&d, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE application_name = 'berthd' AND datname = current_database()");
    db_await(&d,
             "SELECT count(*) = 0 FROM pg_stat_activity"
             " WHERE application_name = 'berthd' AND datname = current_database()",
             "the backend has gone");
    assert_done(query(c, "SELECT 'x'::text", "t", NULL, 0, &r), &e, "the next transaction");
    rows_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pg");
    TCase *errors = tcase_create("errors"), *waits = tcase_create("waits");
    tcase_add_loop_test(errors, pg_maps_sqlstate_as_tabled, 0, ARRAY_SIZE(failures));
    tcase_add_test(errors, pg_refuses_more_work_in_a_failed_transaction);
    tcase_add_loop_test(errors, pg_open_says_why_it_cannot, 0, ARRAY_SIZE(refusals));
    tcase_add_test(errors, pg_open_names_too_many_connections);
    tcase_add_test(waits, pg_sets_its_limits_inside_the_transaction);
    tcase_add_test(waits, pg_ends_a_slow_statement_at_the_deadline);
    tcase_add_test(waits, pg_gives_up_on_a_server_that_says_nothing);
    tcase_add_test(waits, pg_cancel_stops_what_runs_from_another_thread);
    tcase_add_loop_test(waits, pg_reconnects_after_the_server_was_restarted, 0, 2);
    tcase_add_test(waits, pg_notices_an_idle_connection_that_was_closed);
    tcase_set_timeout(errors, 60);
    tcase_set_timeout(waits, 60);
    suite_add_tcase(s, errors);
    suite_add_tcase(s, waits);
    return support_run(s, SUPPORT_PG | SUPPORT_PRIVATE);
}
