/* pg_query.c - sends a statement, reads its answer, leaves no PGresult behind. */
#include "repo/pg_query.h"

#include <assert.h>
#include <stdlib.h>

#include "repo/pg_conn.h"
#include "repo/pg_wire.h"

enum { PARAMS_MAX = 64 };

static int lost(struct err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE",
                   "The connection was lost within the transaction.");
}

static int send_query(struct txn *t, const char *sql, const struct pg_param *p, uint32_t n,
                      struct err *e)
{
    Oid types[PARAMS_MAX];
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    struct pg *c = t->pg;
    assert(c != NULL && n <= PARAMS_MAX);
    if (c->conn == NULL)
        return lost(e);
    for (uint32_t i = 0; i < n; i++) {
        const void *data = p[i].is_inline ? (const void *)p[i].u.scalar : p[i].u.data;
        types[i] = p[i].type;
        values[i] = p[i].len < 0 ? NULL : data;
        lengths[i] = p[i].len < 0 ? 0 : p[i].len;
        formats[i] = p[i].binary ? 1 : 0;
    }
    if (PQsendQueryParams(c->conn, sql, (int)n, types, values, lengths, formats, 1) == 0)
        return pg_fail(c, NULL, e);
    return 0;
}

/* Ends an answer that is not wanted any more; *e keeps what was wrong. */
static int give_up(struct txn *t)
{
    pg_drain(t->pg, t->deadline);
    return -1;
}

/* The one result of a statement, checked to be as `wanted`. */
static int read_result(struct txn *t, ExecStatusType wanted, PGresult **ret, struct err *e)
{
    CLEANUP(PQclearp) PGresult *res = NULL;
    struct pg *c = t->pg;
    if (pg_flush(c, t->deadline, e) < 0 || pg_next_result(c, t->deadline, &res, e) < 0)
        return -1;
    const ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        pg_fail(c, res, e);
        return give_up(t);
    }
    assert(status == wanted || status == PGRES_TUPLES_OK); /* pg_query() of a command is a bug */
    pg_drain(c, t->deadline);
    *ret = TAKE(res);
    return 0;
}

int pg_query(struct txn *t, const char *sql, const char *columns, const struct pg_param *p,
             uint32_t n, struct pg_rows **ret, struct err *e)
{
    CLEANUP(PQclearp) PGresult *res = NULL;
    if (send_query(t, sql, p, n, e) < 0 || read_result(t, PGRES_TUPLES_OK, &res, e) < 0 ||
        rows_check(res, columns, e) < 0)
        return -1;
    struct pg_rows *rows = calloc(1, sizeof(*rows));
    if (rows == NULL)
        abort();
    *rows = (struct pg_rows){.res = TAKE(res), .columns = columns};
    *ret = rows;
    return 0;
}

int pg_exec(struct txn *t, const char *sql, const struct pg_param *p, uint32_t n,
            int64_t *ret_affected, struct err *e)
{
    CLEANUP(PQclearp) PGresult *res = NULL;
    if (send_query(t, sql, p, n, e) < 0 || read_result(t, PGRES_COMMAND_OK, &res, e) < 0)
        return -1;
    if (ret_affected != NULL)
        *ret_affected = strtoll(PQcmdTuples(res), NULL, 10); /* "" for those that count none */
    return 0;
}

/* 1: a row was handled; 0: the end; -1: failed, *e says why. */
static int each_row(struct txn *t, const char *columns, bool *checked, pg_row_f *row, void *ctx,
                    struct err *e)
{
    CLEANUP(PQclearp) PGresult *res = NULL;
    if (pg_next_result(t->pg, t->deadline, &res, e) < 0)
        return -1;
    if (res == NULL)
        return 0;
    const ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
        return pg_fail(t->pg, res, e);
    if (!*checked && rows_check(res, columns, e) < 0)
        return -1;
    *checked = true;
    const struct pg_rows rows = {.res = res, .columns = columns};
    if (status == PGRES_SINGLE_TUPLE && row(ctx, &rows, e) < 0)
        return -1;
    return 1;
}

int pg_each(struct txn *t, const char *sql, const char *columns, const struct pg_param *p,
            uint32_t n, pg_row_f *row, void *ctx, struct err *e)
{
    if (send_query(t, sql, p, n, e) < 0)
        return -1;
    if (PQsetSingleRowMode(t->pg->conn) == 0)
        return pg_fail(t->pg, NULL, e);
    if (pg_flush(t->pg, t->deadline, e) < 0)
        return -1;
    bool checked = false;
    int more;
    while ((more = each_row(t, columns, &checked, row, ctx, e)) == 1)
        ;
    return more == 0 ? 0 : give_up(t);
}

int pg_script(struct txn *t, const char *sql, struct err *e)
{
    if (t->pg->conn == NULL)
        return lost(e);
    return pg_simple(t->pg, sql, t->deadline, NULL, e);
}
