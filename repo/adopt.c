/* adopt.c - is this a database Berth can live in, and the indexes it would like there. */
#include "repo/adopt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "repo/pg_conn.h"
#include "repo/pg_query.h"

enum family {
    FAMILY_TEXT,
    FAMILY_LABEL,
    FAMILY_INT,
    FAMILY_BOOL,
    FAMILY_NUMERIC,
    FAMILY_TIME,
    FAMILY_UUID,
    FAMILY_JSON,
    FAMILY_TEXTS,
    N_FAMILIES
};
enum null_rule { NULL_NEVER, NULL_MAYBE, NULL_MUST };

/* Names as in pg_type; an enum has a name of its own (it differs between Managers). */
static const struct {
    const char *name;
    const char *types[3];
    bool or_enum;
} families[N_FAMILIES] = {
    [FAMILY_TEXT] = {"text", {"varchar", "text", "bpchar"}, false},
    [FAMILY_LABEL] = {"an enum or text", {"varchar", "text", "bpchar"}, true},
    [FAMILY_INT] = {"integer", {"int4", "int8", "int2"}, false},
    [FAMILY_BOOL] = {"boolean", {"bool"}, false},
    [FAMILY_NUMERIC] = {"numeric", {"numeric"}, false},
    [FAMILY_TIME] = {"timestamptz", {"timestamptz"}, false},
    [FAMILY_UUID] = {"uuid", {"uuid"}, false},
    [FAMILY_JSON] = {"jsonb", {"jsonb"}, false},
    [FAMILY_TEXTS] = {"text[]", {"_varchar", "_text"}, false},
};

static const struct column {
    const char *table, *name;
    enum family family;
    enum null_rule null;
} columns[] = {
#define COLUMN(table, column, family, null) {#table, #column, FAMILY_##family, NULL_##null},
#include "repo/adopt.def"
#undef COLUMN
};

/* Berth inserts here, naming the columns above: one more that must be given would stop it. */
static const char insert_table[] = "session_scheduling_history";

/* What the database has, in the order of the query below. */
enum { COL_TABLE, COL_NAME, COL_TYPE, COL_IS_ENUM, COL_NOT_NULL, COL_HAS_DEFAULT };
static const char catalog_sql[] =
    "SELECT n.name, a.attname::text, t.typname::text, t.typtype = 'e', a.attnotnull, a.atthasdef"
    " FROM unnest($1::text[]) AS n(name)"
    " JOIN pg_attribute a ON a.attrelid = to_regclass(quote_ident(n.name))"
    " AND a.attnum > 0 AND NOT a.attisdropped"
    " JOIN pg_type t ON t.oid = a.atttypid ORDER BY 1, 2";

/* Collects what does not fit: each goes to the report, the first ones into the error too. */
struct findings {
    const struct migrate_options *options;
    unsigned n;
    char first[160];
    char all[300];
};

static void find(struct findings *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void find(struct findings *f, const char *fmt, ...)
{
    char line[160];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (f->n++ == 0)
        (void)snprintf(f->first, sizeof(f->first), "%s", line);
    const size_t at = strlen(f->all);
    (void)snprintf(f->all + at, sizeof(f->all) - at, "%s%s", at > 0 ? "; " : "", line);
    if (f->options->report != NULL)
        f->options->report(f->options->ctx, line);
}

static uint32_t find_row(const struct pg_rows *r, const char *table, const char *name)
{
    for (uint32_t i = 0; i < rows_count(r); i++)
        if (strcmp(rows_text(r, i, COL_TABLE), table) == 0 &&
            (name == NULL || strcmp(rows_text(r, i, COL_NAME), name) == 0))
            return i;
    return NONE;
}

static bool has_type(const struct pg_rows *r, uint32_t row, enum family family)
{
    if (families[family].or_enum && rows_bool(r, row, COL_IS_ENUM))
        return true;
    for (unsigned i = 0; i < ARRAY_SIZE(families[family].types); i++)
        if (families[family].types[i] != NULL &&
            strcmp(rows_text(r, row, COL_TYPE), families[family].types[i]) == 0)
            return true;
    return false;
}

static void check_column(const struct pg_rows *r, const struct column *c, struct findings *f)
{
    const uint32_t row = find_row(r, c->table, c->name);
    if (row == NONE) {
        find(f, "column %s.%s is missing", c->table, c->name);
        return;
    }
    if (!has_type(r, row, c->family))
        find(f, "column %s.%s is %s, it should be %s", c->table, c->name,
             rows_text(r, row, COL_TYPE), families[c->family].name);
    const bool not_null = rows_bool(r, row, COL_NOT_NULL);
    if (c->null == NULL_NEVER && !not_null)
        find(f, "column %s.%s may be NULL, it should not", c->table, c->name);
    if (c->null == NULL_MUST && not_null)
        find(f, "column %s.%s refuses NULL, it should not", c->table, c->name);
}

static void check_insert(const struct pg_rows *r, struct findings *f)
{
    for (uint32_t row = 0; row < rows_count(r); row++) {
        bool known = strcmp(rows_text(r, row, COL_TABLE), insert_table) != 0 ||
                     !rows_bool(r, row, COL_NOT_NULL) || rows_bool(r, row, COL_HAS_DEFAULT);
        for (unsigned i = 0; i < ARRAY_SIZE(columns) && !known; i++)
            known = strcmp(columns[i].table, insert_table) == 0 &&
                    strcmp(columns[i].name, rows_text(r, row, COL_NAME)) == 0;
        if (!known)
            find(f, "column %s.%s is new, must be given and has no default", insert_table,
                 rows_text(r, row, COL_NAME));
    }
}

int adopt_verify(struct txn *t, const struct migrate_options *o, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    const char *tables[ARRAY_SIZE(columns)];
    uint32_t n = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(columns); i++)
        if (i == 0 || strcmp(columns[i].table, columns[i - 1].table) != 0)
            tables[n++] = columns[i].table;
    const struct pg_param p[] = {param_array_text(a, tables, n)};
    if (pg_query(t, catalog_sql, "tttbbb", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    struct findings f = {.options = o};
    for (uint32_t i = 0; i < n; i++)
        if (find_row(r, tables[i], NULL) == NONE)
            find(&f, "table %s is missing", tables[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(columns); i++)
        if (find_row(r, columns[i].table, NULL) != NONE)
            check_column(r, &columns[i], &f);
    check_insert(r, &f);
    if (f.n == 0)
        return 0;
    err_set(e, ERR_PRECONDITION, "ADOPT_MISMATCH",
            "Not a Manager's database that Berth knows: %s%s", f.first,
            f.n > 1 ? ", and more" : "");
    err_meta(e, "findings", "%u", f.n);
    return err_detail(e, "%s", f.all);
}

/* --- Indexes -----------------------------------------------------------------------------------
 */

#define LIVE "status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR')"
static const struct {
    const char *name, *create, *drop;
} indexes[] = {
#define INDEX(name, on)                                                                            \
    {#name, "CREATE INDEX CONCURRENTLY " #name " ON " on, "DROP INDEX CONCURRENTLY " #name},
#include "repo/adopt_indexes.def"
#undef INDEX
};

enum index_state { INDEX_ABSENT, INDEX_INVALID, INDEX_VALID };

static int index_state(struct pg *c, const char *name, enum index_state *ret, struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    const struct pg_param p[] = {param_text(name)};
    if (txn_begin(c, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        pg_query(t, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1::text)", "b",
                 p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) == 0)
        *ret = INDEX_ABSENT;
    else
        *ret = rows_bool(r, 0, 0) ? INDEX_VALID : INDEX_INVALID;
    return 0;
}

static void report(const struct migrate_options *o, const char *name, const char *what)
{
    char line[160];
    (void)snprintf(line, sizeof(line), "index %s: %s", name, what);
    if (o->report != NULL)
        o->report(o->ctx, line);
}

int adopt_create_indexes(struct pg *c, const struct migrate_options *o, struct err *e)
{
    const int64_t deadline = c->deadline; /* migrate_run() has set one */
    for (unsigned i = 0; i < ARRAY_SIZE(indexes); i++) {
        enum index_state state = INDEX_ABSENT;
        if (index_state(c, indexes[i].name, &state, e) < 0)
            return -1;
        if (state == INDEX_VALID) {
            report(o, indexes[i].name, "already there");
            continue;
        }
        if (pg_connect(c, deadline, e) < 0 ||
            (state == INDEX_INVALID && pg_simple(c, indexes[i].drop, deadline, NULL, e) < 0) ||
            pg_simple(c, indexes[i].create, deadline, NULL, e) < 0)
            return -1;
        report(o, indexes[i].name,
               state == INDEX_INVALID ? "built again, it was not valid" : "built");
    }
    return 0;
}
