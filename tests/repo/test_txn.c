/* test_txn.c - transactions end as they say, and are run again only when that helps. */
#include <pthread.h>
#include <string.h>

#include "repo/pg_conn.h"
#include "repo/pg_query.h"
#include "tests/repo/support.h"

static struct err e;

/* raise() fails with a state; row 1 and 2 of `one` are there to be changed. */
static struct db prepared_db(void)
{
    const struct db d = db_create(DB_EMPTY);
    db_sql(&d, "CREATE TABLE one (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);"
               "INSERT INTO one VALUES (1), (2);"
               "CREATE FUNCTION raise(state text) RETURNS int LANGUAGE plpgsql AS"
               " $$BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = state; END$$");
    return d;
}

static int add_one(struct txn *t, int id)
{
    const struct pg_param p[] = {param_int4(id)};
    return pg_exec(t, "UPDATE one SET n = n + 1 WHERE id = $1", p, 1, NULL, &e);
}

static int64_t sum(const struct db *d)
{
    return db_int(d, "SELECT sum(n) FROM one");
}

/* --- Ends --------------------------------------------------------------------------------------
 */

static int leave_early(struct pg *c)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    return -1;
}

START_TEST(txn_rolls_back_when_scope_is_left)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    ck_assert_int_eq(leave_early(c), -1);
    ck_assert_int_eq(sum(&d), 0);
}
END_TEST

START_TEST(txn_commit_stores)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    ck_assert_int_eq(sum(&d), 0);
    assert_done(txn_commit(&t, &e), &e, "commit");
    ck_assert_ptr_null(t);
    ck_assert_int_eq(sum(&d), 1);
}
END_TEST

START_TEST(txn_commit_fails_when_it_answers_rollback)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    assert_failed(pg_exec(t, "SELECT raise('P0001')", NULL, 0, NULL, &e), &e, ERR_INTERNAL,
                  "DATABASE_ERROR", "a statement whose failure is overlooked");
    assert_failed(txn_commit(&t, &e), &e, ERR_INTERNAL, "COMMIT_ROLLED_BACK", "the commit");
    ck_assert_ptr_null(t);
    ck_assert_int_eq(sum(&d), 0);
}
END_TEST

START_TEST(txn_commit_reports_what_a_deferred_check_says)
{
    const struct db d = prepared_db();
    db_sql(&d, "CREATE TABLE child (id int REFERENCES one DEFERRABLE INITIALLY DEFERRED)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "INSERT INTO child VALUES (99)", NULL, 0, NULL, &e), &e, "insert");
    assert_failed(txn_commit(&t, &e), &e, ERR_INTERNAL, "CONSTRAINT_VIOLATION", "commit");
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "the connection is usable after");
    txn_rollback(t);
}
END_TEST

START_TEST(txn_read_snapshot_is_one_snapshot_and_cannot_write)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    for (int i = 0; i < 2; i++) {
        CLEANUP(rows_freep) struct pg_rows *r = NULL;
        assert_done(pg_query(t, "SELECT sum(n) FROM one", "i", NULL, 0, &r, &e), &e, "read");
        ck_assert_msg(rows_int(r, 0, 0) == 0, "read %d sees another's commit", i);
        db_sql(&d, "UPDATE one SET n = 5");
    }
    assert_failed(add_one(t, 1), &e, ERR_UNAVAILABLE, "READ_ONLY", "a write");
}
END_TEST

START_TEST(txn_write_sees_what_others_committed)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    db_sql(&d, "UPDATE one SET n = 5");
    assert_done(pg_query(t, "SELECT sum(n) FROM one", "i", NULL, 0, &r, &e), &e, "read");
    ck_assert_int_eq(rows_int(r, 0, 0), 10);
}
END_TEST

START_TEST(txn_commit_after_the_deadline_stores_nothing)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    pg_deadline(c, in_ms(300));
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    const int64_t late = in_ms(301);
    while (in_ms(0) < late)
        db_await(&d, "SELECT pg_sleep(0.05) IS NOT NULL", "a moment");
    assert_failed(txn_commit(&t, &e), &e, ERR_TIMEOUT, "DATABASE_TIMEOUT", "commit");
    ck_assert_int_eq(sum(&d), 0);
    pg_deadline(c, 0);
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin again");
    assert_done(add_one(t, 1), &e, "update again");
    assert_done(txn_commit(&t, &e), &e, "commit again");
    ck_assert_int_eq(sum(&d), 1);
}
END_TEST

/* What came too late does not undo it; what comes later is heard. */
START_TEST(txn_commit_is_not_cancelled)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *later = NULL;
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    pg_cancel(c);
    assert_done(txn_commit(&t, &e), &e, "commit");
    ck_assert_int_eq(sum(&d), 1);
    pg_deadline(c, 0);
    assert_done(txn_begin(c, TXN_WRITE, &later, &e), &e, "begin again");
    pg_cancel(c);
    assert_failed(pg_exec(later, "SELECT pg_sleep(20)", NULL, 0, NULL, &e), &e, ERR_CANCELLED,
                  "CANCELLED", "a statement after that");
}
END_TEST

static int64_t backend_of(struct pg *c)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    struct txn *t = NULL;
    pg_deadline(c, in_ms(5000));
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_query(t, "SELECT pg_backend_pid()::int8", "i", NULL, 0, &r, &e), &e, "its pid");
    assert_done(txn_commit(&t, &e), &e, "commit");
    return rows_int(r, 0, 0);
}

START_TEST(txn_commit_leaves_the_connection_good)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    const int64_t first = backend_of(c);
    ck_assert_msg(backend_of(c) == first, "the second transaction has another connection");
}
END_TEST

/* A slow statement ends with the server's answer, a little before our own patience does. */
START_TEST(txn_lets_the_server_end_a_slow_statement_first)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    pg_deadline(c, in_ms(20000));
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_query(t,
                         "SELECT current_setting('statement_timeout')::interval <= '19.001 s', "
                         "current_setting('statement_timeout')::interval > '14 s', "
                         "current_setting('random_page_cost') = '1.1'",
                         "bbb", NULL, 0, &r, &e),
                &e, "read the limits");
    ck_assert_msg(rows_bool(r, 0, 0), "the server waits longer than we do");
    ck_assert_msg(rows_bool(r, 0, 1), "the server ends statements that had time");
    ck_assert_msg(rows_bool(r, 0, 2), "writers look rows up as if each cost a seek");
    ck_assert_msg(c->txn.timeout > in_ms(10000) && c->txn.timeout < in_ms(19001),
                  "we know of another limit than the server");
}
END_TEST

START_TEST(txn_of_a_stopped_process_gives_its_locks_back)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pg_deadline(c, in_ms(200));
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    db_await(&d,
             "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'berthd'"
             " AND datname = current_database()",
             "the server ended the idle transaction");
    db_sql(&d, "UPDATE one SET n = 7");
}
END_TEST

/* --- Again -------------------------------------------------------------------------------------
 */

struct body {
    unsigned runs, fail_first; /* the first so many runs fail */
    const char *state;
};

static int run_body(struct txn *t, void *ctx, struct err *ret_e)
{
    struct body *b = ctx;
    b->runs++;
    const struct pg_param p[] = {param_text(b->state)};
    if (pg_exec(t, "UPDATE one SET n = n + 1 WHERE id = 1", NULL, 0, NULL, ret_e) < 0)
        return -1;
    if (b->runs <= b->fail_first)
        return pg_exec(t, "SELECT raise($1)", p, 1, NULL, ret_e);
    return 0;
}

/* clang-format off */
static const struct {
    const char *what, *state;
    unsigned fail_first, runs;
    const char *reason; /* NULL: done */
} retries[] = {
    {"a failure that would come again",      "53100", 100, 1,  "DISK_FULL"},
    {"a lock somebody holds",                "55P03", 100, 1,  "LOCK_TIMEOUT"},
    {"a serialization failure without end",  "40001", 100, 20, "SERIALIZATION_FAILURE"},
    {"a deadlock without end",               "40P01", 100, 20, "DEADLOCK"},
    {"no failure",                           "40001", 0,   1,  NULL},
    {"a serialization failure once",         "40001", 1,   2,  NULL},
    {"serialization failures 19 times",      "40001", 19,  20, NULL},
    {"a deadlock twice",                     "40P01", 2,   3,  NULL},
};
/* clang-format on */

START_TEST(txn_run_tries_again_as_tabled)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct body b = {.state = retries[_i].state, .fail_first = retries[_i].fail_first};
    c->random = 0; /* the jitter's generator stands still at 0: no waits */
    const int done = txn_run(c, TXN_WRITE, run_body, &b, &e);
    ck_assert_msg(b.runs == retries[_i].runs, "%s: ran %u times", retries[_i].what, b.runs);
    ck_assert_msg((done == 0) == (retries[_i].reason == NULL), "%s: done %d", retries[_i].what,
                  done);
    if (done < 0)
        ck_assert_str_eq(e.reason, retries[_i].reason);
    ck_assert_msg(sum(&d) == (done == 0 ? 1 : 0), "%s: stored %lld times", retries[_i].what,
                  (long long)sum(&d));
    const bool deadlock = strcmp(retries[_i].state, "40P01") == 0;
    const struct pg_retries taken = pg_take_retries(c), again = pg_take_retries(c);
    ck_assert_msg((deadlock ? taken.deadlock : taken.serialization_failure) == b.runs - 1 &&
                      (deadlock ? taken.serialization_failure : taken.deadlock) == 0,
                  "%s: %u runs, but %u and %u retries are counted", retries[_i].what, b.runs,
                  taken.serialization_failure, taken.deadlock);
    ck_assert_msg(again.deadlock == 0 && again.serialization_failure == 0,
                  "%s: counted again after they were taken", retries[_i].what);
}
END_TEST

START_TEST(txn_run_stops_at_the_deadline)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct body b = {.state = "40001", .fail_first = 1000};
    const int64_t start = in_ms(0);
    pg_deadline(c, in_ms(500));
    ck_assert_int_eq(txn_run(c, TXN_WRITE, run_body, &b, &e), -1);
    ck_assert_msg(in_ms(0) - start < 3000000000, "it took %lld ms",
                  (long long)(in_ms(0) - start) / 1000000);
    ck_assert_msg(b.runs > 1 && b.runs < 20, "ran %u times", b.runs);
    ck_assert_int_eq(sum(&d), 0);
}
END_TEST

/* The deadline of the run is that of each attempt. */
static int compare_deadlines(struct txn *t, void *ctx, struct err *ret_e)
{
    int64_t *first = ctx;
    if (*first == 0) {
        *first = t->deadline;
        return pg_exec(t, "SELECT raise('40001')", NULL, 0, NULL, ret_e);
    }
    ck_assert_msg(t->deadline == *first, "the second attempt ends %lld us after the first",
                  (long long)(t->deadline - *first) / 1000);
    return 0;
}

START_TEST(txn_run_has_one_deadline_for_all_attempts)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    int64_t first = 0;
    pg_deadline(c, 0);
    assert_done(txn_run(c, TXN_WRITE, compare_deadlines, &first, &e), &e, "two attempts");
    ck_assert_msg(first != 0 && c->deadline == 0, "the deadline stays behind");
}
END_TEST

static int cancel_and_fail(struct txn *t, void *ctx, struct err *ret_e)
{
    unsigned *runs = ctx;
    ++*runs;
    const int done = pg_exec(t, "SELECT raise('40001')", NULL, 0, NULL, ret_e);
    pg_cancel(t->pg); /* as another thread would, between two tries */
    return done;
}

START_TEST(txn_run_stops_when_cancelled_between_tries)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    unsigned runs = 0;
    c->random = _i == 0 ? 0 : 1; /* without and with a wait */
    assert_failed(txn_run(c, TXN_WRITE, cancel_and_fail, &runs, &e), &e, ERR_CANCELLED, "CANCELLED",
                  "a body that is cancelled");
    ck_assert_uint_eq(runs, 1);
}
END_TEST

struct opponent {
    const struct db *d;
    pthread_barrier_t *both_hold_one;
    int first, second;
    unsigned runs;
    int done;
};

static int cross_locks(struct txn *t, void *ctx, struct err *ret_e)
{
    struct opponent *o = ctx;
    const struct pg_param first[] = {param_int4(o->first)}, second[] = {param_int4(o->second)};
    const char *sql = "UPDATE one SET n = n + 1 WHERE id = $1";
    if (pg_exec(t, sql, first, 1, NULL, ret_e) < 0)
        return -1;
    if (o->runs++ == 0)
        pthread_barrier_wait(o->both_hold_one);
    return pg_exec(t, sql, second, 1, NULL, ret_e);
}

static void *oppose(void *ctx)
{
    struct opponent *o = ctx;
    struct err own = {.code = ERR_NONE};
    struct pg *c = NULL;
    o->done = -1;
    if (pg_open(o->d->conninfo, &c, &own) == 0)
        o->done = txn_run(c, TXN_WRITE, cross_locks, o, &own);
    pg_close(c);
    return NULL;
}

START_TEST(txn_run_survives_a_real_deadlock)
{
    const struct db d = prepared_db();
    pthread_barrier_t barrier;
    pthread_t threads[2];
    struct opponent o[2] = {{.d = &d, .both_hold_one = &barrier, .first = 1, .second = 2},
                            {.d = &d, .both_hold_one = &barrier, .first = 2, .second = 1}};
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, oppose, &o[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    ck_assert_msg(o[0].done == 0 && o[1].done == 0, "both are done in the end");
    ck_assert_msg(o[0].runs + o[1].runs > 2, "one of them ran twice");
    ck_assert_int_eq(sum(&d), 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("txn");
    TCase *ends = tcase_create("ends"), *again = tcase_create("again");
    tcase_add_test(ends, txn_rolls_back_when_scope_is_left);
    tcase_add_test(ends, txn_commit_stores);
    tcase_add_test(ends, txn_commit_fails_when_it_answers_rollback);
    tcase_add_test(ends, txn_commit_reports_what_a_deferred_check_says);
    tcase_add_test(ends, txn_read_snapshot_is_one_snapshot_and_cannot_write);
    tcase_add_test(ends, txn_write_sees_what_others_committed);
    tcase_add_test(ends, txn_commit_after_the_deadline_stores_nothing);
    tcase_add_test(ends, txn_commit_is_not_cancelled);
    tcase_add_test(ends, txn_commit_leaves_the_connection_good);
    tcase_add_test(ends, txn_lets_the_server_end_a_slow_statement_first);
    tcase_add_test(ends, txn_of_a_stopped_process_gives_its_locks_back);
    tcase_add_loop_test(again, txn_run_tries_again_as_tabled, 0, ARRAY_SIZE(retries));
    tcase_add_test(again, txn_run_stops_at_the_deadline);
    tcase_add_test(again, txn_run_has_one_deadline_for_all_attempts);
    tcase_add_loop_test(again, txn_run_stops_when_cancelled_between_tries, 0, 2);
    tcase_add_test(again, txn_run_survives_a_real_deadlock);
    tcase_set_timeout(ends, 60);
    tcase_set_timeout(again, 60);
    suite_add_tcase(s, ends);
    suite_add_tcase(s, again);
    return support_run(s, SUPPORT_PG);
}
