/* test_adopt.c - living in a Manager's database: what is looked at, and what is left alone. */
#include <stdio.h>
#include <string.h>

#include "repo/migrate.h"
#include "tests/repo/support.h"

static struct err e;

struct lines {
    unsigned n;
    char text[64][160];
};

static void keep_line(void *ctx, const char *line)
{
    struct lines *l = ctx;
    ck_assert_uint_lt(l->n, 64);
    (void)snprintf(l->text[l->n++], sizeof(l->text[0]), "%s", line);
}

static bool has_line(const struct lines *l, const char *text)
{
    for (unsigned i = 0; i < l->n; i++)
        if (strcmp(l->text[i], text) == 0)
            return true;
    return false;
}

static int run(const struct db *d, bool adopt, bool with_indexes, struct lines *l)
{
    CLEANUP(pg_closep) struct pg *c = db_open(d);
    const struct migrate_options o = {
        .adopt = adopt, .with_indexes = with_indexes, .report = keep_line, .ctx = l};
    return migrate_run(c, &o, &e);
}

/* Everything of the shared tables that a migration could have touched. */
static const char public_sql[] =
    "SELECT md5(string_agg(x, ',' ORDER BY x)) FROM ("
    "SELECT relname || coalesce(reloptions::text, '') AS x FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace"
    " UNION ALL SELECT conname || contype::text FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace"
    " UNION ALL SELECT attrelid::regclass || '.' || attname || atttypid FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = a.attrelid WHERE relnamespace = 'public'::regnamespace) AS t";

/* clang-format off */
static const struct {
    const char *what, *sql;
    const char *findings[4]; /* lines of the report; none: it fits */
} databases[] = {
    {"a column that is missing",       "ALTER TABLE sessions DROP COLUMN options",
     {"column sessions.options is missing"}},
    {"a column with another name",     "ALTER TABLE agents RENAME addr TO address",
     {"column agents.addr is missing"}},
    {"a column of another type",       "ALTER TABLE sessions ALTER priority TYPE text",
     {"column sessions.priority is text, it should be integer"}},
    {"a key that may be NULL",         "ALTER TABLE sessions ALTER status DROP NOT NULL",
     {"column sessions.status may be NULL, it should not"}},
    {"a column that refuses our NULL", "ALTER TABLE session_scheduling_history ALTER error_code SET NOT NULL",
     {"column session_scheduling_history.error_code refuses NULL, it should not"}},
    {"a new column that must be given","ALTER TABLE session_scheduling_history ADD region text NOT NULL",
     {"column session_scheduling_history.region is new, must be given and has no default"}},
    {"a table that is missing",        "DROP TABLE session_dependencies",
     {"table session_dependencies is missing"}},
    {"several of these",
     "ALTER TABLE kernels DROP COLUMN architecture; ALTER TABLE groups ALTER id TYPE text;"
     " DROP TABLE resource_allocations CASCADE",
     {"column kernels.architecture is missing", "column groups.id is text, it should be uuid",
      "table resource_allocations is missing"}},
    {"the tables as they are",         "SELECT 1", {NULL}},
    {"columns of a later Manager",     "ALTER TABLE sessions ADD mood text; ALTER TABLE session_scheduling_history ADD note text", {NULL}},
    {"an older site: other type and key names, more NULLs",
     "ALTER TYPE defaultforunspecified RENAME TO default_for_unspecified;"
     " ALTER TABLE domains ALTER total_resource_slots DROP NOT NULL;"
     " ALTER TABLE groups ALTER total_resource_slots DROP NOT NULL;"
     " ALTER TABLE session_dependencies RENAME CONSTRAINT sess_dep_pk TO pk_session_dependencies;"
     " ALTER TABLE kernels ALTER architecture TYPE varchar, ALTER architecture SET NOT NULL;"
     " ALTER TABLE kernels ALTER vfolder_mounts TYPE json;"
     " ALTER TABLE users ALTER totp_key TYPE character(32);"
     " CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)", {NULL}},
};
/* clang-format on */

START_TEST(adopt_looks_at_every_column_it_needs)
{
    const struct db d = db_create(DB_MANAGER);
    struct lines l = {.n = 0};
    char before[64], after[64];
    const char *what = databases[_i].what;
    if (strstr(databases[_i].sql, "groups ALTER id") != NULL) /* keys that stand in the way */
        db_sql(&d, "ALTER TABLE groups DROP CONSTRAINT pk_groups CASCADE;"
                   "ALTER TABLE groups ALTER id DROP DEFAULT");
    db_sql(&d, databases[_i].sql);
    db_text(&d, public_sql, before, sizeof(before));
    const int done = run(&d, true, false, &l);
    db_text(&d, public_sql, after, sizeof(after));
    ck_assert_msg(strcmp(before, after) == 0, "%s: the shared tables were changed", what);
    if (databases[_i].findings[0] == NULL) {
        assert_done(done, &e, what);
        ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM berth.events"), 0);
        return;
    }
    assert_failed(done, &e, ERR_PRECONDITION, "ADOPT_MISMATCH", what);
    unsigned n = 0;
    while (n < ARRAY_SIZE(databases[_i].findings) && databases[_i].findings[n] != NULL) {
        ck_assert_msg(has_line(&l, databases[_i].findings[n]), "%s: no line \"%s\"; first: %s",
                      what, databases[_i].findings[n], l.n > 0 ? l.text[0] : "none");
        n++;
    }
    ck_assert_msg(l.n == n, "%s: %u lines", what, l.n);
    ck_assert_int_eq(db_int(&d, "SELECT count(*) FROM pg_namespace WHERE nspname = 'berth'"), 0);
}
END_TEST

START_TEST(adopt_records_what_it_skipped)
{
    const struct db d = db_create(DB_MANAGER);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct lines l = {.n = 0}, again = {.n = 0};
    assert_done(run(&d, true, false, &l), &e, "adopt");
    ck_assert(has_line(&l, "0001_shared_tables: skipped, the tables are the Manager's"));
    ck_assert(has_line(&l, "0002_berth_schema: applied"));
    ck_assert(has_line(&l, "0003_standalone_indexes: skipped, the tables are the Manager's"));
    assert_done(migrate_check(c, &e), &e, "check");
    assert_done(run(&d, false, false, &again), &e, "migrate remembers that it was adopted");
    ck_assert(has_line(&again, "0001_shared_tables: already done"));
    ck_assert_int_eq(
        db_int(&d, "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'ck_berth%'"), 0);
}
END_TEST

START_TEST(adopt_refuses_a_database_of_berths_own)
{
    const struct db d = db_create(DB_MIGRATED);
    struct lines l = {.n = 0};
    assert_failed(run(&d, true, false, &l), &e, ERR_PRECONDITION, "DATABASE_IS_STANDALONE",
                  "--adopt after migrate");
}
END_TEST

START_TEST(adopt_looks_again_at_each_run)
{
    const struct db d = db_create(DB_MANAGER);
    struct lines l = {.n = 0};
    assert_done(run(&d, true, false, &l), &e, "adopt");
    db_sql(&d, "ALTER TABLE sessions DROP COLUMN priority");
    assert_failed(run(&d, false, false, &l), &e, ERR_PRECONDITION, "ADOPT_MISMATCH",
                  "after the Manager was updated");
}
END_TEST

static const char valid_sql[] =
    "SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
    " WHERE relname LIKE 'ix\\_berth\\_%' AND indisvalid";

START_TEST(adopt_builds_indexes_once_and_mends_broken_ones)
{
    enum { INDEXES = 10 };
    const struct db d = db_create(DB_MANAGER);
    struct lines none = {.n = 0}, first = {.n = 0}, second = {.n = 0}, third = {.n = 0};
    assert_done(run(&d, true, false, &none), &e, "adopt without indexes");
    ck_assert_int_eq(db_int(&d, valid_sql), 0);
    assert_done(run(&d, true, true, &first), &e, "adopt with indexes");
    ck_assert_int_eq(db_int(&d, valid_sql), INDEXES);
    ck_assert(has_line(&first, "index ix_berth_sessions_pending: built"));
    assert_done(run(&d, true, true, &second), &e, "the same again");
    ck_assert(has_line(&second, "index ix_berth_sessions_pending: already there"));
    /* What a run that was killed within CREATE INDEX CONCURRENTLY leaves. */
    db_sql(&d, "UPDATE pg_index SET indisvalid = false"
               " WHERE indexrelid = 'ix_berth_ssh_latest'::regclass");
    assert_done(run(&d, true, true, &third), &e, "after an interrupted run");
    ck_assert(has_line(&third, "index ix_berth_ssh_latest: built again, it was not valid"));
    ck_assert_int_eq(db_int(&d, valid_sql), INDEXES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("adopt");
    TCase *tc = tcase_create("adopt");
    tcase_add_loop_test(tc, adopt_looks_at_every_column_it_needs, 0, ARRAY_SIZE(databases));
    tcase_add_test(tc, adopt_refuses_a_database_of_berths_own);
    tcase_add_test(tc, adopt_records_what_it_skipped);
    tcase_add_test(tc, adopt_looks_again_at_each_run);
    tcase_add_test(tc, adopt_builds_indexes_once_and_mends_broken_ones);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
