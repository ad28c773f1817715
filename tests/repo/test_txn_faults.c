/* test_txn_faults.c - the database fails around a transaction; what became of it is never guessed.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "repo/pg_conn.h"
#include "repo/pg_query.h"
#include "repo/pool.h"
#include "tests/repo/support.h"

static struct err e;

/* Rows 1 and 2 of `one` are there to be changed. */
static struct db prepared_db(void)
{
    const struct db d = db_create(DB_EMPTY);
    db_sql(&d, "CREATE TABLE one (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);"
               "INSERT INTO one VALUES (1), (2)");
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

static void end_backends(const struct db *d)
{
    db_sql(d, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE application_name = 'berthd' AND datname = current_database()");
}

START_TEST(txn_fails_when_its_backend_is_terminated)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    end_backends(&d);
    if (_i == 0)
        assert_failed(add_one(t, 2), &e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "a statement");
    assert_failed(txn_commit(&t, &e), &e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "the commit");
    ck_assert_int_eq(sum(&d), 0);
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "the next transaction");
    assert_done(add_one(t, 1), &e, "update");
    assert_done(txn_commit(&t, &e), &e, "commit");
    ck_assert_int_eq(sum(&d), 1);
}
END_TEST

static int64_t busy(void)
{
    struct pool_use use;
    pool_use(POOL_DATABASE, &use);
    return use.busy;
}

/* However it ends, and whether the server or the clock ends it: the gauge comes back to none. */
START_TEST(txn_is_counted_while_it_lasts)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    ck_assert_int_eq(busy(), 0);
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    ck_assert_int_eq(busy(), 1);
    assert_done(txn_commit(&t, &e), &e, "commit");
    ck_assert_msg(busy() == 0, "a commit leaves it busy");
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    txn_rollback(t);
    ck_assert_msg(busy() == 0, "a rollback leaves it busy");
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    end_backends(&d);
    assert_failed(add_one(t, 1), &e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "a statement");
    assert_failed(txn_commit(&t, &e), &e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "a lost one");
    ck_assert_msg(busy() == 0, "a connection that was lost before COMMIT leaves it busy");
}
END_TEST

/* What was cancelled is rolled back on the connection it has, which stays. */
START_TEST(txn_rollback_of_cancelled_work_keeps_the_connection)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    const int pid = PQbackendPID(c->conn);
    pg_cancel(c);
    txn_rollback(t);
    pg_deadline(c, 0);
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "the next piece of work");
    ck_assert_msg(PQbackendPID(c->conn) == pid, "the connection was thrown away");
    txn_rollback(t);
}
END_TEST

START_TEST(txn_commit_that_kills_its_backend_is_known_to_be_rolled_back)
{
    const struct db d = prepared_db();
    db_sql(&d, "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
               " PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10);"
               " RETURN NULL; END$$;"
               "CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON one DEFERRABLE INITIALLY DEFERRED"
               " FOR EACH ROW EXECUTE FUNCTION die()");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    assert_failed(txn_commit(&t, &e), &e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "commit");
    ck_assert_msg(strstr(e.detail, "was rolled back") != NULL, "the outcome was asked for: %s",
                  e.detail);
    ck_assert_int_eq(sum(&d), 0);
}
END_TEST

START_TEST(txn_begin_on_a_standby_says_read_only)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    char path[160];
    struct txn *t = NULL;
    (void)snprintf(path, sizeof(path), "%s/standby.signal", pg_server_data());
    pg_server_stop(false);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    pg_server_start();
    assert_failed(txn_begin(c, TXN_WRITE, &t, &e), &e, ERR_UNAVAILABLE, "READ_ONLY", "a write");
    ck_assert_msg(strstr(e.detail, "read-write") != NULL, "the server's words are lost: %s",
                  e.detail);
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "a read");
    txn_rollback(t);
    pg_server_stop(false);
    (void)remove(path);
    pg_server_start();
}
END_TEST

/* A COMMIT that waits for a standby which does not exist has been written, and its answer can be
 * lost in every way. */
enum loss { LOSS_TERMINATED, LOSS_CUT, LOSS_CRASH, LOSS_FOR_GOOD };
static const struct {
    const char *what;
    enum loss loss;
    bool known;
} losses[] = {
    {"the backend is terminated while it commits", LOSS_TERMINATED, true},
    {"the connection is cut and the backend does not notice", LOSS_CUT, true},
    {"the server crashes and is back soon", LOSS_CRASH, true},
    {"the server crashes and stays away", LOSS_FOR_GOOD, false},
};

struct loser {
    const struct db *d;
    int fd;
    enum loss loss;
};

static void *lose_answer(void *ctx)
{
    const struct loser *l = ctx;
    db_await(l->d, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
             "COMMIT waits for the standby");
    switch (l->loss) {
    case LOSS_TERMINATED:
        end_backends(l->d);
        break;
    case LOSS_CUT:
        ck_assert_int_eq(shutdown(l->fd, SHUT_RDWR), 0);
        break;
    case LOSS_CRASH:
        pg_server_stop(true);
        pg_server_start();
        break;
    case LOSS_FOR_GOOD:
        pg_server_stop(true);
        break;
    }
    return NULL;
}

START_TEST(txn_commit_whose_answer_is_lost_is_looked_up)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    pthread_t thread;
    db_sql(&d, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    pg_server_stop(false);
    pg_server_start();
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, losses[_i].what);
    assert_done(add_one(t, 1), &e, losses[_i].what);
    struct loser loser = {.d = &d, .fd = PQsocket(c->conn), .loss = losses[_i].loss};
    ck_assert_int_eq(pthread_create(&thread, NULL, lose_answer, &loser), 0);
    if (losses[_i].known)
        assert_done(txn_commit(&t, &e), &e, losses[_i].what);
    else
        assert_failed(txn_commit(&t, &e), &e, ERR_UNAVAILABLE, "COMMIT_UNKNOWN", losses[_i].what);
    pthread_join(thread, NULL);
    if (!losses[_i].known)
        pg_server_start();
    db_sql(&d, "ALTER SYSTEM RESET synchronous_standby_names");
    pg_server_stop(false);
    pg_server_start();
    ck_assert_msg(sum(&d) == 1, "%s: the row was stored once", losses[_i].what);
}
END_TEST

/* What can fail behind BEGIN: a function of that name before PostgreSQL's own. */
START_TEST(txn_that_failed_to_begin_leaves_nothing_open)
{
    const struct db d = prepared_db();
    db_sql(&d, "CREATE SCHEMA evil; CREATE FUNCTION evil.pg_current_xact_id() RETURNS xid8 LANGUAGE"
               " plpgsql AS $$BEGIN RAISE EXCEPTION 'planted'; END$$;"
               "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog, "
               "public', current_database()); END$$");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_failed(txn_begin(c, TXN_WRITE, &t, &e), &e, ERR_INTERNAL, "DATABASE_ERROR", "begin");
    ck_assert_msg(t == NULL, "there is a transaction");
    db_await(&d,
             "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'berthd' AND "
             "datname = current_database() AND state LIKE 'idle in transaction%'",
             "the transaction ends");
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "the next one");
    txn_rollback(t);
}
END_TEST

static int64_t cpu_ms(void)
{
    struct timespec t;
    ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* For ten seconds, which a loop without pauses would spend on the processor. */
START_TEST(txn_that_waits_for_its_outcome_rests_meanwhile)
{
    const struct db d = prepared_db();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(add_one(t, 1), &e, "update");
    pg_server_stop(true);
    const int64_t before = cpu_ms();
    assert_failed(txn_commit(&t, &e), &e, ERR_UNAVAILABLE, "COMMIT_UNKNOWN", "commit");
    const int64_t used = cpu_ms() - before;
    pg_server_start();
    ck_assert_msg(used < 2000, "it used the processor for %lld ms", (long long)used);
    ck_assert_int_eq(sum(&d), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("txn_faults");
    TCase *tc = tcase_create("faults");
    tcase_add_loop_test(tc, txn_fails_when_its_backend_is_terminated, 0, 2);
    tcase_add_test(tc, txn_is_counted_while_it_lasts);
    tcase_add_test(tc, txn_rollback_of_cancelled_work_keeps_the_connection);
    tcase_add_test(tc, txn_commit_that_kills_its_backend_is_known_to_be_rolled_back);
    tcase_add_test(tc, txn_begin_on_a_standby_says_read_only);
    tcase_add_loop_test(tc, txn_commit_whose_answer_is_lost_is_looked_up, 0, ARRAY_SIZE(losses));
    tcase_add_test(tc, txn_that_failed_to_begin_leaves_nothing_open);
    tcase_add_test(tc, txn_that_waits_for_its_outcome_rests_meanwhile);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_PRIVATE);
}
