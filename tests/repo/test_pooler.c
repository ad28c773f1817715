/* test_pooler.c - through PgBouncer in transaction mode, where the next transaction may be another
 * client's on the same server connection. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "repo/migrate.h"
#include "repo/pg_query.h"
#include "tests/repo/support.h"

static struct err e;

START_TEST(pooler_leaves_nothing_behind_for_the_next_client)
{
    const struct db d = db_create(DB_EMPTY), pooled = db_pooled(&d);
    CLEANUP(pg_closep) struct pg *c = db_open(&pooled);
    struct txn *t = NULL;
    static const char *const settings[] = {"statement_timeout", "jit",
                                           "idle_in_transaction_session_timeout",
                                           "client_connection_check_interval"};
    char before[4][16], after[16], sql[80];
    for (unsigned i = 0; i < ARRAY_SIZE(settings); i++) {
        (void)snprintf(sql, sizeof(sql), "SHOW %s", settings[i]);
        db_text(&pooled, sql, before[i], sizeof(before[i]));
    }
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "CREATE TABLE x ()", NULL, 0, NULL, &e), &e, "a statement");
    assert_done(txn_commit(&t, &e), &e, "commit");
    for (unsigned i = 0; i < ARRAY_SIZE(settings); i++) {
        (void)snprintf(sql, sizeof(sql), "SHOW %s", settings[i]);
        db_text(&pooled, sql, after, sizeof(after));
        ck_assert_msg(strcmp(before[i], after) == 0, "%s was %s, is %s", settings[i], before[i],
                      after);
    }
}
END_TEST

START_TEST(pooler_lets_connections_take_turns)
{
    const struct db d = db_create(DB_EMPTY), pooled = db_pooled(&d);
    CLEANUP(pg_closep) struct pg *a = db_open(&pooled);
    CLEANUP(pg_closep) struct pg *b = db_open(&pooled);
    struct pg *const both[] = {a, b};
    const struct pg_param p[] = {param_int8(1)};
    db_sql(&d, "CREATE TABLE n (v int8); INSERT INTO n VALUES (0)");
    for (int i = 0; i < 20; i++) {
        CLEANUP(txn_rollbackp) struct txn *t = NULL;
        assert_done(txn_begin(both[i % 2], TXN_WRITE, &t, &e), &e, "begin");
        assert_done(pg_exec(t, "UPDATE n SET v = v + $1", p, 1, NULL, &e), &e, "update");
        assert_done(txn_commit(&t, &e), &e, "commit");
    }
    ck_assert_int_eq(db_int(&d, "SELECT v FROM n"), 20);
}
END_TEST

START_TEST(pooler_gets_its_connection_back_when_a_statement_is_given_up)
{
    const struct db d = db_create(DB_EMPTY), pooled = db_pooled(&d);
    CLEANUP(pg_closep) struct pg *c = db_open(&pooled);
    struct txn *t = NULL;
    pg_deadline(c, in_ms(600));
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "SELECT pg_sleep(0.4)", NULL, 0, NULL, &e), &e, "a first statement");
    assert_failed(pg_exec(t, "SELECT pg_sleep(0.5)", NULL, 0, NULL, &e), &e, ERR_TIMEOUT,
                  "DATABASE_TIMEOUT", "a second that is too slow");
    txn_rollback(TAKE(t));
    pg_deadline(c, in_ms(20000)); /* there is one server connection only: this waits for it */
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "the next transaction");
    assert_done(txn_commit(&t, &e), &e, "commit");
}
END_TEST

START_TEST(pooler_lets_migrations_through)
{
    const struct db d = db_create(DB_EMPTY), pooled = db_pooled(&d);
    CLEANUP(pg_closep) struct pg *c = db_open(&pooled);
    const struct migrate_options o = {.adopt = false};
    assert_done(migrate_run(c, &o, &e), &e, "migrate");
    assert_done(migrate_check(c, &e), &e, "check");
    assert_done(migrate_run(c, &o, &e), &e, "migrate again");
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
}
END_TEST

static void *migrate(void *conninfo)
{
    struct err why = {.code = ERR_NONE};
    const struct migrate_options o = {.adopt = false};
    CLEANUP(pg_closep) struct pg *c = NULL;
    if (pg_open(conninfo, &c, &why) == 0 && migrate_run(c, &o, &why) == 0)
        return NULL;
    return strdup(why.message);
}

START_TEST(pooler_lets_migrations_at_once_take_turns)
{
    enum { N = 3 };
    const struct db d = db_create(DB_EMPTY);
    struct db pooled = db_pooled(&d);
    pthread_t threads[N];
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, migrate, pooled.conninfo), 0);
    for (int i = 0; i < N; i++) {
        void *why = NULL;
        pthread_join(threads[i], &why);
        ck_assert_msg(why == NULL, "one of %d migrations at once failed: %s", N, (const char *)why);
    }
    CLEANUP(pg_closep) struct pg *c = db_open(&pooled);
    assert_done(migrate_check(c, &e), &e, "check");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pooler");
    TCase *tc = tcase_create("pooler");
    tcase_add_test(tc, pooler_leaves_nothing_behind_for_the_next_client);
    tcase_add_test(tc, pooler_lets_connections_take_turns);
    tcase_add_test(tc, pooler_gets_its_connection_back_when_a_statement_is_given_up);
    tcase_add_test(tc, pooler_lets_migrations_through);
    tcase_add_test(tc, pooler_lets_migrations_at_once_take_turns);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_POOLER);
}
