/* test_migrate.c - from nothing to the schema, once, and never from a database that is not ours. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "repo/migrate.h"
#include "repo/pg_query.h"
#include "tests/repo/support.h"

static struct err e;

struct lines {
    unsigned n;
    char text[16][160];
};

static void keep_line(void *ctx, const char *line)
{
    struct lines *l = ctx;
    ck_assert_uint_lt(l->n, 16);
    (void)snprintf(l->text[l->n++], sizeof(l->text[0]), "%s", line);
}

static int migrate(const struct db *d, struct lines *l)
{
    CLEANUP(pg_closep) struct pg *c = db_open(d);
    const struct migrate_options o = {.report = keep_line, .ctx = l};
    return migrate_run(c, &o, &e);
}

static int check(const struct db *d)
{
    CLEANUP(pg_closep) struct pg *c = db_open(d);
    return migrate_check(c, &e);
}

/* How many there are, and the last one's name. */
#define MIGRATION(name, where, kind) MIGRATION_##name,
enum {
#include "repo/migrations/migrations.def"
    N_MIGRATIONS
};
#undef MIGRATION

static const char objects_sql[] =
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname IN ('public', 'berth')";

START_TEST(migrate_makes_the_schema_from_nothing)
{
    const struct db d = db_create(DB_EMPTY);
    struct lines l = {.n = 0};
    assert_failed(check(&d), &e, ERR_PRECONDITION, "SCHEMA_OUTDATED", "check of an empty database");
    ck_assert_ptr_nonnull(strstr(e.message, "0001_shared_tables"));
    assert_done(migrate(&d, &l), &e, "migrate");
    ck_assert_uint_eq(l.n, N_MIGRATIONS);
    ck_assert_str_eq(l.text[0], "0001_shared_tables: applied");
    ck_assert_str_eq(l.text[2], "0003_standalone_indexes: applied");
    assert_done(check(&d), &e, "check of a migrated database");
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM resource_slot_types"), 6);
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM pg_class WHERE relname = 'alembic_version'"),
                     0);
}
END_TEST

START_TEST(migrate_does_nothing_the_second_time)
{
    const struct db d = db_create(DB_MIGRATED);
    struct lines l = {.n = 0};
    char before[64], after[64];
    static const char rows_sql[] = "SELECT string_agg(xmin::text, ',' ORDER BY name)"
                                   " FROM berth.schema_migrations";
    const int64_t objects = db_int(&d, objects_sql);
    db_text(&d, rows_sql, before, sizeof(before));
    assert_done(migrate(&d, &l), &e, "migrate again");
    db_text(&d, rows_sql, after, sizeof(after));
    ck_assert_uint_eq(l.n, N_MIGRATIONS);
    for (unsigned i = 0; i < l.n; i++)
        ck_assert_msg(strstr(l.text[i], ": already done") != NULL, "line %u: %s", i, l.text[i]);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(db_int(&d, objects_sql), objects);
}
END_TEST

/* clang-format off */
static const struct {
    const char *what, *sql;
    const char *run, *check; /* reasons of migrate_run and migrate_check, NULL: done */
    const char *named;       /* in the message */
} states[] = {
    {"an applied migration whose text was changed",
     "UPDATE berth.schema_migrations SET checksum = sha256('other') WHERE name LIKE '0002%'",
     "SCHEMA_CHANGED", "SCHEMA_CHANGED", "0002_berth_schema"},
    {"a migration of a later version",
     "INSERT INTO berth.schema_migrations VALUES ('9999_future', sha256('x'), false, now(), '9')",
     "SCHEMA_NEWER", "SCHEMA_NEWER", "9999_future"},
    {"one of a later version beside one that can be lived with",
     "INSERT INTO berth.schema_migrations VALUES"
     " ('9998_near', sha256('x'), false, now(), '9', true), ('9999_far', sha256('x'), false, now(), '9', false)",
     "SCHEMA_NEWER", "SCHEMA_NEWER", "9999_far"},
    {"one of a later version, in a database without the column that tells",
     "ALTER TABLE berth.schema_migrations DROP COLUMN expand;"
     "INSERT INTO berth.schema_migrations VALUES ('9999_future', sha256('x'), false, now(), '9')",
     "SCHEMA_NEWER", "SCHEMA_NEWER", "9999_future"},
    {"a migration that cannot be applied any more",
     "DELETE FROM berth.schema_migrations WHERE name LIKE '0002%'",
     "DATABASE_ERROR", "SCHEMA_OUTDATED", NULL},
    {"the last migration not applied yet, its objects absent",
     "DELETE FROM berth.schema_migrations WHERE name LIKE '0002%'; DROP TABLE berth.group_state,"
     " berth.events, berth.requests, berth.owner_versions, berth.rounds",
     NULL, "SCHEMA_OUTDATED", NULL},
};
/* clang-format on */

START_TEST(migrate_treats_other_versions_as_tabled)
{
    const struct db d = db_create(DB_MIGRATED);
    struct lines l = {.n = 0};
    db_sql(&d, states[_i].sql);
    const int64_t objects = db_int(&d, objects_sql);
    assert_failed(check(&d), &e, ERR_PRECONDITION, states[_i].check, states[_i].what);
    const int done = migrate(&d, &l);
    if (states[_i].run == NULL) {
        assert_done(done, &e, states[_i].what);
        assert_done(check(&d), &e, states[_i].what);
        return;
    }
    ck_assert_msg(done < 0, "%s: was migrated", states[_i].what);
    ck_assert_msg(strcmp(e.reason, states[_i].run) == 0, "%s: %s: %s", states[_i].what, e.reason,
                  e.message);
    ck_assert_msg(states[_i].named == NULL || strstr(e.message, states[_i].named) != NULL, "%s: %s",
                  states[_i].what, e.message);
    ck_assert_msg(db_int(&d, objects_sql) == objects, "%s: something was made", states[_i].what);
}
END_TEST

START_TEST(migrate_goes_on_beside_later_versions_that_only_add)
{
    const struct db d = db_create(DB_MIGRATED);
    struct lines l = {.n = 0};
    db_sql(&d, "INSERT INTO berth.schema_migrations VALUES"
               " ('9998_more', sha256('x'), false, now(), '9', true),"
               " ('9999_more', sha256('x'), true, now(), '9', true)");
    assert_done(check(&d), &e, "a check");
    assert_done(migrate(&d, &l), &e, "a migration by the older program");
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM berth.schema_migrations WHERE name > '99'"),
                     2);
}
END_TEST

START_TEST(migrate_tells_of_each_migration_whether_it_only_adds)
{
    const struct db d = db_create(DB_MIGRATED);
    struct lines l = {.n = 0};
    static const char wrong[] = "SELECT count(*) FROM berth.schema_migrations WHERE name < '0005' "
                                "AND expand <> (name > '0004')";
    ck_assert_int_eq(db_int(&d, wrong), 0);
    db_sql(&d, "ALTER TABLE berth.schema_migrations DROP COLUMN expand");
    assert_done(check(&d), &e, "a check before the column is there");
    assert_done(migrate(&d, &l), &e, "a migration that adds the column");
    ck_assert_int_eq(db_int(&d, wrong), 0);
}
END_TEST

START_TEST(migrate_refuses_a_database_with_somebody_elses_tables)
{
    static const char *const tables[] = {"sessions", "kernels", "agents", "alembic_version"};
    const struct db d = db_create(DB_EMPTY);
    struct lines l = {.n = 0};
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE %s (id int)", tables[_i]);
    db_sql(&d, sql);
    assert_failed(migrate(&d, &l), &e, ERR_PRECONDITION, "DATABASE_NOT_EMPTY", tables[_i]);
    ck_assert_ptr_nonnull(strstr(e.message, "--adopt"));
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM pg_namespace WHERE nspname = 'berth'"), 0);
}
END_TEST

START_TEST(migrate_leaves_nothing_of_a_migration_that_failed)
{
    const struct db d = db_create(DB_EMPTY);
    struct lines l = {.n = 0};
    db_sql(&d, "CREATE TABLE users (id int)"); /* in the middle of 0001 */
    ck_assert_int_eq(migrate(&d, &l), -1);
    ck_assert_str_eq(e.meta[0].key, "migration");
    ck_assert_str_eq(e.meta[0].value, "0001_shared_tables");
    ck_assert_int_eq(db_int(&d, "SELECT count(to_regclass('public.domains'))"), 0);
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM berth.schema_migrations"), 0);
    db_sql(&d, "DROP TABLE users");
    assert_done(migrate(&d, &l), &e, "migrate after the obstacle has gone");
}
END_TEST

static void *migrate_thread(void *ctx)
{
    struct lines l = {.n = 0};
    struct err own = {.code = ERR_NONE};
    const struct migrate_options o = {.report = keep_line, .ctx = &l};
    struct pg *c = NULL;
    static const char failed[] = "failed";
    const bool done = pg_open(ctx, &c, &own) == 0 && migrate_run(c, &o, &own) == 0;
    pg_close(c);
    return done ? NULL : (void *)failed;
}

START_TEST(migrate_runs_once_when_several_start_together)
{
    struct db d = db_create(DB_EMPTY);
    pthread_t threads[4];
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, migrate_thread, d.conninfo), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        ck_assert_msg(failed == NULL, "number %u failed", i);
    }
    assert_done(check(&d), &e, "check");
}
END_TEST

START_TEST(migrate_waits_for_its_lock_no_longer_than_the_deadline)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(pg_closep) struct pg *holder = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct migrate_options o = {.adopt = false};
    assert_done(txn_begin(holder, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "SELECT pg_advisory_xact_lock(422608794728)", NULL, 0, NULL, &e), &e,
                "another migration");
    pg_deadline(c, in_ms(300));
    assert_failed(migrate_run(c, &o, &e), &e, ERR_TIMEOUT, "STATEMENT_TIMEOUT", "migrate");
}
END_TEST

/* The other transaction has a table of the migration and then wants what the migration has. It is
 * the patient one, and it comes before the migration's patience is at an end, so the migration is
 * the one that PostgreSQL ends. */
START_TEST(migrate_tries_again_when_work_and_it_wait_for_each_other)
{
    struct db d = db_create(DB_MIGRATED);
    CLEANUP(pg_closep) struct pg *worker = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pthread_t thread;
    void *failed = NULL;
    db_sql(&d, "DELETE FROM berth.schema_migrations WHERE name = '0009_ledger_in_place'; "
               "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''5s''', "
               "current_database()); END $$");
    assert_done(txn_begin(worker, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "LOCK TABLE resource_allocations IN SHARE UPDATE EXCLUSIVE MODE", NULL,
                        0, NULL, &e),
                &e, "the table");
    assert_done(pg_exec(t, "SET LOCAL deadlock_timeout = '1min'", NULL, 0, NULL, &e), &e,
                "patience");
    ck_assert_int_eq(pthread_create(&thread, NULL, migrate_thread, d.conninfo), 0);
    db_await(&d, SQL_LOCK_WAITS, "a migration that waits for the table");
    assert_done(pg_exec(t, "SELECT pg_advisory_xact_lock(422608794728)", NULL, 0, NULL, &e), &e,
                "the lock of migrations");
    assert_done(txn_commit(&t, &e), &e, "commit");
    pthread_join(thread, &failed);
    ck_assert_msg(failed == NULL, "the migration failed");
    assert_done(check(&d), &e, "check");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("migrate");
    TCase *tc = tcase_create("migrate");
    tcase_add_loop_test(tc, migrate_treats_other_versions_as_tabled, 0, ARRAY_SIZE(states));
    tcase_add_test(tc, migrate_goes_on_beside_later_versions_that_only_add);
    tcase_add_test(tc, migrate_tells_of_each_migration_whether_it_only_adds);
    tcase_add_loop_test(tc, migrate_refuses_a_database_with_somebody_elses_tables, 0, 4);
    tcase_add_test(tc, migrate_leaves_nothing_of_a_migration_that_failed);
    tcase_add_test(tc, migrate_makes_the_schema_from_nothing);
    tcase_add_test(tc, migrate_does_nothing_the_second_time);
    tcase_add_test(tc, migrate_runs_once_when_several_start_together);
    tcase_add_test(tc, migrate_waits_for_its_lock_no_longer_than_the_deadline);
    tcase_add_test(tc, migrate_tries_again_when_work_and_it_wait_for_each_other);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
