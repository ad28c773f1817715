/* pg_query.h - statements inside a transaction. Private to repo/: nothing above includes it.
 *
 * Parameters and results travel in binary, through the unnamed statement, so that PgBouncer in
 * transaction mode works. SQL is constant text with $1..$n; nothing is ever pasted into it.
 *
 *     const struct pg_param p[] = {param_uuid(&id), param_text(name)};
 *     CLEANUP(rows_freep) struct pg_rows *r = NULL;
 *     if (pg_query(t, "SELECT id, priority FROM ...", "ui", p, ARRAY_SIZE(p), &r, e) < 0)
 *         return -1;
 *     for (uint32_t i = 0; i < rows_count(r); i++)
 *         use(rows_uuid(r, i, 0), rows_int(r, i, 1));
 *
 * Any error leaves the transaction fit for txn_rollback() only. */
#ifndef BERTH_REPO_PG_QUERY_H
#define BERTH_REPO_PG_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repo/txn.h"
#include "scheduler/amount.h"
#include "scheduler/arena.h"
#include "scheduler/uuid.h"

/* --- Parameters --------------------------------------------------------------------------------
 * Plain values. A parameter points to the text, uuid or bytes it was made from: they must live
 * until the statement is sent. A NULL pointer is SQL NULL of that type. */
struct pg_param {
    uint32_t type; /* Oid; 0: the server infers it */
    int32_t len;   /* bytes; -1: NULL */
    bool binary;
    bool is_inline;
    union {
        const void *data;
        uint8_t scalar[8];
    } u;
};

struct pg_param param_text(const char *s);
struct pg_param param_textn(const char *s, size_t len);
struct pg_param param_untyped(const char *s); /* enum labels: the server infers the type */
struct pg_param param_jsonb(const char *json);
struct pg_param param_numeric(const char *decimal); /* plain decimal text */
struct pg_param param_int8(int64_t v);
struct pg_param param_int4(int32_t v);
struct pg_param param_bool(bool v);
struct pg_param param_uuid(const struct uuid *u);
struct pg_param param_bytea(const void *p, size_t len);
struct pg_param param_time(int64_t us); /* timestamptz from microseconds since the Unix epoch;
                                           TIME_NONE: NULL */

/* Arrays of one dimension, for unnest() and = ANY(): built into the arena in one piece. In arrays
 * of texts a NULL pointer is a NULL element; in arrays of times TIME_NONE is one. */
struct pg_param param_array_text(struct arena *a, const char *const *v, uint32_t n);
struct pg_param param_array_jsonb(struct arena *a, const char *const *v, uint32_t n);
struct pg_param param_array_uuid(struct arena *a, const struct uuid *v, uint32_t n);
struct pg_param param_array_int8(struct arena *a, const int64_t *v, uint32_t n);
struct pg_param param_array_int4(struct arena *a, const int32_t *v, uint32_t n);
struct pg_param param_array_bool(struct arena *a, const bool *v, uint32_t n);
struct pg_param param_array_time(struct arena *a, const int64_t *us, uint32_t n);
/* numeric[] from finite amounts; types[i] is the type of v[i]. */
struct pg_param param_array_amount(struct arena *a, const int64_t *v, const enum slot_type *types,
                                   uint32_t n);
/* numeric[] from plain decimal texts ("-0.5", "17179869184", "NaN"); a text that is none of that
 * becomes NaN, which every CHECK and numeric guard of ours refuses. */
struct pg_param param_array_numeric(struct arena *a, const char *const *v, uint32_t n);

/* --- Statements --------------------------------------------------------------------------------
 * `columns` says what the answer must look like, one letter a column:
 *   u uuid   t text, varchar, enum, json, jsonb   i int2, int4, int8   b bool   n numeric
 *   s timestamptz   x bytea   U uuid[]   T text[], varchar[]   I int2[], int4[], int8[]
 * Another answer (a changed database) is ERR_PRECONDITION, reason SCHEMA_MISMATCH, naming the
 * column. The getters below assert that they are used on the right letter. */
struct pg_rows;

int pg_query(struct txn *t, const char *sql, const char *columns, const struct pg_param *p,
             uint32_t n, struct pg_rows **ret, struct err *e) MUST_CHECK;

/* For big reads: rows arrive one by one and are never held together. `row` gets each as row 0 of
 * *r, which dies when it returns; -1 with *e filled ends the statement with that error. */
typedef int pg_row_f(void *ctx, const struct pg_rows *r, struct err *e);
int pg_each(struct txn *t, const char *sql, const char *columns, const struct pg_param *p,
            uint32_t n, pg_row_f *row, void *ctx, struct err *e) MUST_CHECK;

/* A statement without an answer; *ret_affected (NULL is fine) is the number of rows it changed. */
int pg_exec(struct txn *t, const char *sql, const struct pg_param *p, uint32_t n,
            int64_t *ret_affected, struct err *e) MUST_CHECK;

/* Several statements in one text without parameters: migrations. */
int pg_script(struct txn *t, const char *sql, struct err *e) MUST_CHECK;

/* --- Rows --------------------------------------------------------------------------------------
 * Columns count from 0. On NULL the getters give NULL, 0, false or TIME_NONE; what they return
 * points into the rows and dies with them, except where an arena is given. */
uint32_t rows_count(const struct pg_rows *r);
void rows_free(struct pg_rows *r); /* NULL is fine */
DEFINE_CLEANUP(struct pg_rows, rows_free)

bool rows_is_null(const struct pg_rows *r, uint32_t row, int col);
const char *rows_text(const struct pg_rows *r, uint32_t row, int col); /* NUL-terminated */
size_t rows_text_len(const struct pg_rows *r, uint32_t row, int col);
int64_t rows_int(const struct pg_rows *r, uint32_t row, int col);
bool rows_bool(const struct pg_rows *r, uint32_t row, int col);
struct uuid rows_uuid(const struct pg_rows *r, uint32_t row, int col); /* NULL: all zero */
int64_t rows_time(const struct pg_rows *r, uint32_t row, int col);     /* microseconds, Unix */
const uint8_t *rows_bytea(const struct pg_rows *r, uint32_t row, int col, size_t *ret_len);

/* Text of a numeric: "0.500000", "NaN", "Infinity". A value with more digits than fit is given as
 * digits and exponent, which amount_parse() reads alike. NULL: NULL. */
enum { PG_NUMERIC_TEXT = 72 };
const char *rows_numeric(const struct pg_rows *r, uint32_t row, int col,
                         char text[PG_NUMERIC_TEXT]);
/* What amount_parse() makes of that text, without the text. NULL: 0. */
enum amount_error rows_amount(const struct pg_rows *r, uint32_t row, int col, enum slot_type type,
                              int64_t *ret);

/* Arrays, copied into the arena; NULL gives n 0 and NULL; NULL elements of T are NULL pointers, of
 * U and I zero. Arrays of more dimensions are read flat. */
const char *const *rows_text_array(const struct pg_rows *r, uint32_t row, int col, struct arena *a,
                                   uint32_t *ret_n);
const struct uuid *rows_uuid_array(const struct pg_rows *r, uint32_t row, int col, struct arena *a,
                                   uint32_t *ret_n);
const int64_t *rows_int_array(const struct pg_rows *r, uint32_t row, int col, struct arena *a,
                              uint32_t *ret_n);

#endif
