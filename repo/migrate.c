/* migrate.c - applies the migrations compiled into the program, and checks that they were applied.
 */
#include "repo/migrate.h"

#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/adopt.h"
#include "repo/migration.h"
#include "repo/pg_conn.h"
#include "repo/pg_query.h"

enum {
    CHECKSUM = 32,              /* SHA-256 */
    MIGRATE_MS = 600000,        /* for all migrations, unless the connection has a deadline */
    INDEX_MS = 6 * 3600 * 1000, /* for the indexes of a large database, likewise */
    SERVER_VERSION = 150000
};

static const struct migration {
    const char *name;
    const unsigned char *text;
    enum migration_where where;
    enum migration_kind kind;
} migrations[] = {
#define MIGRATION(name, where, kind) {#name, migration_##name, MIGRATION_##where, MIGRATION_##kind},
#include "repo/migrations/migrations.def"
#undef MIGRATION
};

/* One lock for all of it: taken anew in each transaction, so that it works behind a pooler and dies
 * with the transaction. The number spells "berth". */
#define LOCK_KEY "422608794728"
static const char lock_sql[] = "SELECT pg_advisory_xact_lock(" LOCK_KEY ")";

static const char bootstrap_sql[] =
    "CREATE SCHEMA IF NOT EXISTS berth;"
    "CREATE TABLE IF NOT EXISTS berth.schema_migrations ("
    " name text PRIMARY KEY,"
    " checksum bytea NOT NULL CHECK (octet_length(checksum) = 32)," /* SHA-256 of the text */
    " skipped boolean NOT NULL," /* an adopted database: the tables are the Manager's */
    " applied_at timestamptz NOT NULL DEFAULT now(),"
    " applied_by text NOT NULL);" /* version of berthd */
    /* programs that do not know the migration may go on */
    "ALTER TABLE berth.schema_migrations"
    " ADD COLUMN IF NOT EXISTS expand boolean NOT NULL DEFAULT false";

/* What the database says it has. */
struct applied {
    struct pg_rows *rows;
    bool any, adopted;
};
enum { COL_NAME, COL_CHECKSUM, COL_SKIPPED, COL_EXPAND };

static void report(const struct migrate_options *o, const char *name, const char *what)
{
    char line[160];
    (void)snprintf(line, sizeof(line), "%s: %s", name, what);
    if (o->report != NULL)
        o->report(o->ctx, line);
}

static void checksum(const struct migration *m, uint8_t ret[CHECKSUM])
{
    if (EVP_Digest(m->text, strlen((const char *)m->text), ret, NULL, EVP_sha256(), NULL) != 1)
        abort(); /* out of memory */
}

static int read_applied(struct txn *t, struct applied *ret, struct err *e)
{
    /* a database that was migrated before there was a column "expand" has none */
    if (pg_query(t,
                 "SELECT name, checksum, skipped,"
                 " coalesce((to_jsonb(m)->>'expand')::boolean, false)"
                 " FROM berth.schema_migrations m ORDER BY name",
                 "txbb", NULL, 0, &ret->rows, e) < 0)
        return -1;
    ret->any = rows_count(ret->rows) > 0;
    ret->adopted = ret->any && rows_bool(ret->rows, 0, COL_SKIPPED);
    return 0;
}

static uint32_t find_applied(const struct pg_rows *r, const char *name)
{
    for (uint32_t i = 0; i < rows_count(r); i++)
        if (strcmp(rows_text(r, i, COL_NAME), name) == 0)
            return i;
    return NONE;
}

/* A migration this program does not know, and that is not for it: the database is ahead of it. */
static int check_newer(const struct pg_rows *r, struct err *e)
{
    for (uint32_t i = 0; i < rows_count(r); i++) {
        const char *name = rows_text(r, i, COL_NAME);
        bool known = false;
        for (unsigned m = 0; m < ARRAY_SIZE(migrations) && !known; m++)
            known = strcmp(migrations[m].name, name) == 0;
        if (known || rows_bool(r, i, COL_EXPAND))
            continue;
        err_set(e, ERR_PRECONDITION, "SCHEMA_NEWER",
                "The database is newer than this berthd (%s): it has migration %s, which only newer"
                " programs can work with.",
                BERTH_VERSION, name);
        return err_meta(e, "migration", "%s", name);
    }
    return 0;
}

static int check_checksum(const struct migration *m, const struct pg_rows *r, uint32_t row,
                          struct err *e)
{
    uint8_t ours[CHECKSUM];
    size_t len;
    checksum(m, ours);
    const uint8_t *theirs = rows_bytea(r, row, COL_CHECKSUM, &len);
    if (len == CHECKSUM && memcmp(ours, theirs, CHECKSUM) == 0)
        return 0;
    err_set(e, ERR_PRECONDITION, "SCHEMA_CHANGED",
            "Migration %s was applied with another text than this berthd (%s) has.", m->name,
            BERTH_VERSION);
    return err_meta(e, "migration", "%s", m->name);
}

static int check_server(struct txn *t, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, "SELECT current_setting('server_version_num')::int", "i", NULL, 0, &r, e) < 0)
        return -1;
    if (rows_int(r, 0, 0) >= SERVER_VERSION)
        return 0;
    return err_set(e, ERR_PRECONDITION, "DATABASE_TOO_OLD",
                   "Berth needs PostgreSQL 15 or later; the server says %d.",
                   (int)rows_int(r, 0, 0));
}

/* Alone, Berth creates the shared tables; where some are, somebody else owns them. */
static int check_empty(struct txn *t, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    static const char sql[] =
        "SELECT name FROM (VALUES ('alembic_version'), ('sessions'), ('kernels'), ('agents'))"
        " AS v(name) WHERE to_regclass(name) IS NOT NULL";
    if (pg_query(t, sql, "t", NULL, 0, &r, e) < 0)
        return -1;
    if (rows_count(r) == 0)
        return 0;
    return err_set(e, ERR_PRECONDITION, "DATABASE_NOT_EMPTY",
                   "The database has a table %s already; for a Manager's database use --adopt.",
                   rows_text(r, 0, 0));
}

static int check_mode(struct txn *t, const struct migrate_options *o, const struct applied *has,
                      struct err *e)
{
    if (!has->any && !o->adopt)
        return check_empty(t, e);
    if (has->any && o->adopt && !has->adopted)
        return err_set(e, ERR_PRECONDITION, "DATABASE_IS_STANDALONE",
                       "The shared tables of this database are Berth's own; --adopt is for a"
                       " Manager's database.");
    return o->adopt || has->adopted ? adopt_verify(t, o, e) : 0;
}

/* Looks before anything is changed, then makes the table that remembers. */
static int bootstrap(struct pg *c, const struct migrate_options *o, bool *ret_adopted,
                     struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *exists = NULL;
    struct applied has = {.rows = NULL};
    if (txn_begin(c, TXN_WRITE, &t, e) < 0 || pg_script(t, lock_sql, e) < 0 ||
        check_server(t, e) < 0 ||
        pg_query(t, "SELECT to_regclass('berth.schema_migrations') IS NOT NULL", "b", NULL, 0,
                 &exists, e) < 0)
        return -1;
    int done = rows_bool(exists, 0, 0) ? read_applied(t, &has, e) : 0;
    if (done == 0 && has.rows != NULL)
        done = check_newer(has.rows, e);
    if (done == 0)
        done = check_mode(t, o, &has, e);
    rows_free(has.rows);
    if (done < 0 || pg_script(t, bootstrap_sql, e) < 0)
        return -1;
    *ret_adopted = o->adopt || has.adopted;
    return txn_commit(&t, e);
}

static int record(struct txn *t, const struct migration *m, bool skipped, struct err *e)
{
    uint8_t sum[CHECKSUM];
    checksum(m, sum);
    const struct pg_param p[] = {param_text(m->name), param_bytea(sum, sizeof(sum)),
                                 param_bool(skipped), param_text(BERTH_VERSION),
                                 param_bool(m->kind == MIGRATION_EXPAND)};
    return pg_exec(t,
                   "INSERT INTO berth.schema_migrations"
                   " (name, checksum, skipped, applied_by, expand) VALUES ($1, $2, $3, $4, $5)",
                   p, ARRAY_SIZE(p), NULL, e);
}

/* What was applied before the column was there says nothing yet. */
static int tell_kind(struct txn *t, const struct migration *m, bool told, struct err *e)
{
    const struct pg_param p[] = {param_text(m->name), param_bool(m->kind == MIGRATION_EXPAND)};
    if (told == (m->kind == MIGRATION_EXPAND))
        return 0;
    return pg_exec(t, "UPDATE berth.schema_migrations SET expand = $2 WHERE name = $1", p,
                   ARRAY_SIZE(p), NULL, e);
}

struct application {
    const struct migration *m;
    bool adopted;
    const char *done; /* what became of it */
};

static int apply_body(struct txn *t, void *ctx, struct err *e)
{
    struct application *x = ctx;
    const struct migration *m = x->m;
    struct applied has = {.rows = NULL};
    if (pg_script(t, lock_sql, e) < 0 || read_applied(t, &has, e) < 0)
        return -1;
    CLEANUP(rows_freep) struct pg_rows *rows = has.rows;
    const uint32_t row = find_applied(rows, m->name);
    if (row != NONE) {
        x->done = "already done";
        return check_checksum(m, rows, row, e) < 0
                   ? -1
                   : tell_kind(t, m, rows_bool(rows, row, COL_EXPAND), e);
    }
    const bool skip = x->adopted && m->where == MIGRATION_STANDALONE;
    x->done = skip ? "skipped, the tables are the Manager's" : "applied";
    if (!skip && pg_script(t, (const char *)m->text, e) < 0)
        return err_meta(e, "migration", "%s", m->name);
    return record(t, m, skip, e);
}

/* Work goes on beside it: where the two wait for each other's tables, it is tried again. */
static int apply(struct pg *c, const struct migration *m, bool adopted,
                 const struct migrate_options *o, struct err *e)
{
    struct application x = {.m = m, .adopted = adopted};
    if (txn_run(c, TXN_WRITE, apply_body, &x, e) < 0)
        return -1;
    report(o, m->name, x.done);
    return 0;
}

/* Indexes are built outside a transaction, so the lock is the connection's here. It is tried for,
 * not waited for: CREATE INDEX CONCURRENTLY waits for every statement that waits. */
static int build_indexes(struct pg *c, const struct migrate_options *o, struct err *e)
{
    enum { TRY_MS = 200 };
    const int64_t deadline = c->deadline;
    for (;;) {
        CLEANUP(PQclearp) PGresult *res = NULL;
        if (pg_connect(c, deadline, e) < 0 ||
            pg_simple(c, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", deadline, &res, e) < 0)
            return -1;
        if (strcmp(PQgetvalue(res, 0, 0), "t") == 0)
            break;
        if (pg_now() >= deadline)
            return err_set(e, ERR_CONFLICT, "MIGRATION_RUNNING",
                           "Another migration of this database is running.");
        (void)poll(NULL, 0, TRY_MS);
    }
    const int done = adopt_create_indexes(c, o, e);
    pg_disconnect(c); /* gives the lock back */
    return done;
}

int migrate_run(struct pg *c, const struct migrate_options *o, struct err *e)
{
    const int64_t given = c->deadline;
    bool adopted = false;
    c->deadline = given != 0 ? given : pg_after_ms(MIGRATE_MS);
    int done = bootstrap(c, o, &adopted, e);
    for (unsigned i = 0; i < ARRAY_SIZE(migrations) && done == 0; i++)
        done = apply(c, &migrations[i], adopted, o, e);
    if (done == 0 && adopted && o->with_indexes) {
        c->deadline = given != 0 ? given : pg_after_ms(INDEX_MS);
        done = build_indexes(c, o, e);
    }
    c->deadline = given;
    return done;
}

static int check_outdated(const struct pg_rows *r, struct err *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(migrations); i++) {
        const uint32_t row = r != NULL ? find_applied(r, migrations[i].name) : NONE;
        if (row != NONE) {
            if (check_checksum(&migrations[i], r, row, e) < 0)
                return -1;
            continue;
        }
        err_set(e, ERR_PRECONDITION, "SCHEMA_OUTDATED",
                "The database lacks migration %s: run `berthd migrate`.", migrations[i].name);
        return err_meta(e, "migration", "%s", migrations[i].name);
    }
    return 0;
}

int migrate_check(struct pg *c, struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *exists = NULL;
    struct applied has = {.rows = NULL};
    if (txn_begin(c, TXN_READ_SNAPSHOT, &t, e) < 0 || check_server(t, e) < 0 ||
        pg_query(t, "SELECT to_regclass('berth.schema_migrations') IS NOT NULL", "b", NULL, 0,
                 &exists, e) < 0)
        return -1;
    if (!rows_bool(exists, 0, 0))
        return check_outdated(NULL, e);
    if (read_applied(t, &has, e) < 0)
        return -1;
    CLEANUP(rows_freep) struct pg_rows *rows = has.rows;
    return check_newer(rows, e) < 0 ? -1 : check_outdated(rows, e);
}
