/* test_pg_query.c - statements: parameters and answers of every type, in every way to read them. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pg_query.h"
#include "scheduler/snapshot.h"
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

/* --- Parameters and answers --------------------------------------------------------------------
 */

START_TEST(pg_parameters_come_back_as_they_went)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    const struct uuid u = {.b = {0xDE, 0xAD, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xFF}};
    const uint8_t raw[] = {0, 1, 0xFF, '\'', '\\'};
    const struct pg_param p[] = {
        param_text("a'b\\c\"; DROP TABLE x; --\xC3\xA9"),
        param_textn("cut here", 3),
        param_int8(INT64_MIN),
        param_int4(INT32_MAX),
        param_bool(true),
        param_uuid(&u),
        param_bytea(raw, sizeof(raw)),
        param_time(1700000000123456),
        param_jsonb("{\"a\": [1, 2]}"),
        param_numeric("-12.500"),
        param_time(-1),
    };
    const char *sql = "SELECT $1::text, $2::varchar, $3::int8, $4::int4, $5::bool, $6::uuid,"
                      " $7::bytea, $8::timestamptz, $9::jsonb, $10::numeric, $11::timestamptz";
    assert_done(query(c, sql, "ttiibuxstns", p, ARRAY_SIZE(p), &r), &e, "select");
    size_t len;
    char number[PG_NUMERIC_TEXT];
    const struct uuid got = rows_uuid(r, 0, 5);
    ck_assert_uint_eq(rows_count(r), 1);
    ck_assert_str_eq(rows_text(r, 0, 0), "a'b\\c\"; DROP TABLE x; --\xC3\xA9");
    ck_assert_str_eq(rows_text(r, 0, 1), "cut");
    ck_assert_uint_eq(rows_text_len(r, 0, 1), 3);
    ck_assert_int_eq(rows_int(r, 0, 2), INT64_MIN);
    ck_assert_int_eq(rows_int(r, 0, 3), INT32_MAX);
    ck_assert(rows_bool(r, 0, 4));
    ck_assert_mem_eq(&got, &u, sizeof(u));
    ck_assert_mem_eq(rows_bytea(r, 0, 6, &len), raw, sizeof(raw));
    ck_assert_uint_eq(len, sizeof(raw));
    ck_assert_int_eq(rows_time(r, 0, 7), 1700000000123456);
    ck_assert_str_eq(rows_text(r, 0, 8), "{\"a\": [1, 2]}");
    ck_assert_str_eq(rows_numeric(r, 0, 9, number), "-12.500");
    ck_assert_int_eq(rows_time(r, 0, 10), -1);
}
END_TEST

START_TEST(pg_nulls_are_told_from_empty)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct pg_param p[] = {param_text(NULL),   param_text(""),    param_uuid(NULL),
                                 param_bytea("", 0), param_jsonb(NULL), param_time(TIME_NONE)};
    const char *sql = "SELECT $1::text, $2::text, $3::uuid, $4::bytea, $5::jsonb, $6::timestamptz,"
                      " NULL::int8, NULL::numeric, NULL::bool, NULL::text[]";
    assert_done(query(c, sql, "ttuxtsinbT", p, ARRAY_SIZE(p), &r), &e, "select");
    static const bool nulls[] = {true, false, true, false, true, true, true, true, true, true};
    for (int col = 0; col < (int)ARRAY_SIZE(nulls); col++)
        ck_assert_msg(rows_is_null(r, 0, col) == nulls[col], "column %d", col);
    const struct uuid zero = {.b = {0}}, got = rows_uuid(r, 0, 2);
    char number[PG_NUMERIC_TEXT];
    int64_t amount = 7;
    uint32_t n = 7;
    ck_assert_ptr_null(rows_text(r, 0, 0));
    ck_assert_str_eq(rows_text(r, 0, 1), "");
    ck_assert_mem_eq(&got, &zero, sizeof(zero));
    ck_assert_ptr_null(rows_text(r, 0, 4));
    ck_assert_int_eq(rows_time(r, 0, 5), TIME_NONE);
    ck_assert_int_eq(rows_int(r, 0, 6), 0);
    ck_assert_ptr_null(rows_numeric(r, 0, 7, number));
    ck_assert_int_eq(rows_amount(r, 0, 7, SLOT_COUNT, &amount), AMOUNT_OK);
    ck_assert_int_eq(amount, 0);
    ck_assert(!rows_bool(r, 0, 8));
    ck_assert_ptr_null(rows_text_array(r, 0, 9, a, &n));
    ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(pg_arrays_come_back_as_they_went)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *texts[] = {"", NULL, "{a,\"b\"}", "\xC3\xA9"};
    const struct uuid uuids[] = {{.b = {1}}, {.b = {2}}};
    const int64_t longs[] = {INT64_MIN, -1, 0, INT64_MAX};
    const int32_t ints[] = {INT32_MIN, 5};
    const bool bools[] = {true, false};
    const int64_t times[] = {TIME_NONE, 1700000000000001};
    const char *objects[] = {"{}", NULL, "{\"k\": \"v\"}"};
    const struct pg_param p[] = {
        param_array_text(a, texts, 4),    param_array_uuid(a, uuids, 2),
        param_array_int8(a, longs, 4),    param_array_int4(a, ints, 2),
        param_array_bool(a, bools, 2),    param_array_time(a, times, 2),
        param_array_jsonb(a, objects, 3), param_array_text(a, NULL, 0),
    };
    const char *sql = "SELECT $1::text[], $2::uuid[], $3::int8[], $4::int4[],"
                      " ($5::bool[])[1] AND NOT ($5::bool[])[2],"
                      " ($6::timestamptz[])[1] IS NULL, ($6::timestamptz[])[2],"
                      " ($7::jsonb[])[2] IS NULL, ($7::jsonb[])[3], cardinality($8::text[])";
    assert_done(query(c, sql, "TUIIbbsbti", p, ARRAY_SIZE(p), &r), &e, "select");
    uint32_t n;
    const char *const *got_texts = rows_text_array(r, 0, 0, a, &n);
    ck_assert_uint_eq(n, 4);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_pstr_eq(got_texts[i], texts[i]);
    ck_assert_mem_eq(rows_uuid_array(r, 0, 1, a, &n), uuids, sizeof(uuids));
    ck_assert_uint_eq(n, 2);
    ck_assert_mem_eq(rows_int_array(r, 0, 2, a, &n), longs, sizeof(longs));
    const int64_t *got_ints = rows_int_array(r, 0, 3, a, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(got_ints[0], INT32_MIN);
    ck_assert_int_eq(got_ints[1], 5);
    ck_assert_msg(rows_bool(r, 0, 4), "booleans");
    ck_assert_msg(rows_bool(r, 0, 5), "no time is NULL");
    ck_assert_int_eq(rows_time(r, 0, 6), times[1]);
    ck_assert_msg(rows_bool(r, 0, 7), "a NULL object");
    ck_assert_str_eq(rows_text(r, 0, 8), "{\"k\": \"v\"}");
    ck_assert_int_eq(rows_int(r, 0, 9), 0);
}
END_TEST

/* clang-format off */
static const struct {
    const char *what, *sql, *text;
    enum slot_type type;
    enum amount_error error;
    int64_t amount;
} numerics[] = {
    {"NaN",                        "'NaN'::numeric",               "NaN",                 SLOT_COUNT, AMOUNT_NAN,              0},
    {"negative",                   "-0.5",                         "-0.5",                SLOT_COUNT, AMOUNT_NEGATIVE,         0},
    {"infinite",                   "'Infinity'::numeric",          "Infinity",            SLOT_COUNT, AMOUNT_INFINITE,         0},
    {"half a byte",                "0.5::numeric",                 "0.5",                 SLOT_BYTES, AMOUNT_FRACTIONAL_BYTES, 0},
    {"zero",                       "0::numeric",                   "0",                   SLOT_COUNT, AMOUNT_OK,               0},
    {"zero with decimals",         "0::numeric(24,6)",             "0.000000",            SLOT_COUNT, AMOUNT_OK,               0},
    {"one",                        "1::numeric(24,6)",             "1.000000",            SLOT_COUNT, AMOUNT_OK,               1000000},
    {"a half",                     "0.5::numeric(24,6)",           "0.500000",            SLOT_COUNT, AMOUNT_OK,               500000},
    {"a millionth",                "0.000001::numeric",            "0.000001",            SLOT_COUNT, AMOUNT_OK,               1},
    {"a hundred millionths",       "0.000100::numeric",            "0.000100",            SLOT_COUNT, AMOUNT_OK,               100},
    {"half a millionth, to even",  "0.0000005::numeric",           "0.0000005",           SLOT_COUNT, AMOUNT_OK,               0},
    {"one and a half, to even",    "0.0000015::numeric",           "0.0000015",           SLOT_COUNT, AMOUNT_OK,               2},
    {"digits in every place",      "123456789.123456::numeric",    "123456789.123456",    SLOT_COUNT, AMOUNT_OK,               123456789123456},
    {"zeros between digits",       "100000001.000001::numeric",    "100000001.000001",    SLOT_COUNT, AMOUNT_OK,               100000001000001},
    {"sixteen gibibytes",          "17179869184::numeric(24,6)",   "17179869184.000000",  SLOT_BYTES, AMOUNT_OK,               17179869184},
    {"the greatest of the column", "999999999999999999.999999::numeric(24,6)", "999999999999999999.999999", SLOT_COUNT, AMOUNT_OK, AMOUNT_MAX},
    {"the greatest in bytes",      "999999999999999999::numeric",  "999999999999999999",  SLOT_BYTES, AMOUNT_OK,               999999999999999999},
    {"ten to the 300",             "1e300::numeric",               NULL,                  SLOT_BYTES, AMOUNT_OK,               AMOUNT_MAX},
    {"a third",                    "1::numeric / 3",               "0.33333333333333333333", SLOT_COUNT, AMOUNT_OK,            333333},
    {"a third of very many digits","round(1::numeric / 3, 20) / 1e20", NULL,              SLOT_COUNT, AMOUNT_OK,               0},
};
/* clang-format on */

START_TEST(pg_numeric_reads_as_tabled)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    char sql[160], text[PG_NUMERIC_TEXT];
    for (unsigned i = 0; i < ARRAY_SIZE(numerics); i++) {
        CLEANUP(rows_freep) struct pg_rows *r = NULL;
        int64_t amount = 0;
        (void)snprintf(sql, sizeof(sql), "SELECT %s", numerics[i].sql);
        assert_done(query(c, sql, "n", NULL, 0, &r), &e, numerics[i].what);
        const char *got = rows_numeric(r, 0, 0, text);
        ck_assert_msg(numerics[i].text == NULL || strcmp(got, numerics[i].text) == 0,
                      "%s: text \"%s\"", numerics[i].what, got);
        const enum amount_error error = rows_amount(r, 0, 0, numerics[i].type, &amount);
        ck_assert_msg(error == numerics[i].error, "%s: error %d", numerics[i].what, (int)error);
        ck_assert_msg(error != AMOUNT_OK || amount == numerics[i].amount, "%s: amount %lld",
                      numerics[i].what, (long long)amount);
        if (error == AMOUNT_OK) {
            int64_t by_text = 0;
            ck_assert_int_eq(amount_parse(got, strlen(got), numerics[i].type, &by_text), AMOUNT_OK);
            ck_assert_msg(by_text == amount, "%s: the short and the long way differ",
                          numerics[i].what);
        }
    }
}
END_TEST

START_TEST(pg_amounts_survive_the_way_there_and_back)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    enum { N = 200 };
    int64_t amounts[N];
    enum slot_type types[N];
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < N; i++) { /* every magnitude */
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        amounts[i] = (int64_t)(x >> (1 + i % 63));
        types[i] = i % 2 == 0 ? SLOT_COUNT : SLOT_BYTES;
    }
    amounts[0] = AMOUNT_MAX;
    amounts[1] = 0;
    const struct pg_param p[] = {param_array_amount(a, amounts, types, N)};
    assert_done(query(c,
                      "SELECT v FROM unnest($1::numeric[]) WITH ORDINALITY AS u(v, i) ORDER BY i",
                      "n", p, 1, &r),
                &e, "unnest");
    for (uint32_t i = 0; i < N; i++) {
        int64_t got = -1;
        ck_assert_int_eq(rows_amount(r, i, 0, types[i], &got), AMOUNT_OK);
        ck_assert_msg(got == amounts[i], "amount %u: sent %lld, got %lld", i, (long long)amounts[i],
                      (long long)got);
    }
}
END_TEST

START_TEST(pg_numeric_texts_are_the_servers_numbers)
{
    static const char *const texts[] = {"0",         "1",        "-1",
                                        "10000",     "99999",    "0.5",
                                        ".25",       "7.",       "123456789012345678.123456",
                                        "-0.000001", "00012.50", "100000000"};
    static const char *const refused[] = {"", "-", ".", "1e3", "abc", "1.2.3", "NaN", " 1", "+1"};
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    const struct pg_param p[] = {param_array_text(a, texts, ARRAY_SIZE(texts)),
                                 param_array_numeric(a, texts, ARRAY_SIZE(texts)),
                                 param_array_numeric(a, refused, ARRAY_SIZE(refused))};
    const char *sql = "SELECT t, t::numeric = n FROM unnest($1::text[], $2::numeric[]) AS u(t, n)"
                      " UNION ALL SELECT 'refused', n = 'NaN' FROM unnest($3::numeric[]) AS u(n)";
    assert_done(query(c, sql, "tb", p, ARRAY_SIZE(p), &r), &e, "compare");
    ck_assert_uint_eq(rows_count(r), ARRAY_SIZE(texts) + ARRAY_SIZE(refused));
    for (uint32_t i = 0; i < rows_count(r); i++)
        ck_assert_msg(rows_bool(r, i, 1), "row %u (%s)", i, rows_text(r, i, 0));
}
END_TEST

START_TEST(pg_query_refuses_an_answer_of_another_type)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    struct pg_rows *r = NULL;
    assert_failed(query(c, "SELECT 1 AS fine, 'x'::text AS changed", "ii", NULL, 0, &r), &e,
                  ERR_PRECONDITION, "SCHEMA_MISMATCH", "text for an integer");
    ck_assert_ptr_null(r);
    ck_assert_ptr_nonnull(strstr(e.message, "changed"));
}
END_TEST

START_TEST(pg_reads_enums_as_text)
{
    const struct db d = db_create(DB_EMPTY);
    db_sql(&d, "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE m (v mood)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    const struct pg_param p[] = {param_untyped("ok")};
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "INSERT INTO m VALUES ($1)", p, 1, NULL, &e), &e, "insert a label");
    assert_done(pg_query(t, "SELECT v FROM m", "t", NULL, 0, &r, &e), &e, "select");
    ck_assert_str_eq(rows_text(r, 0, 0), "ok");
}
END_TEST

START_TEST(pg_exec_counts_rows)
{
    const struct db d = db_create(DB_EMPTY);
    db_sql(&d, "CREATE TABLE n (v int); INSERT INTO n SELECT generate_series(1, 7)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    int64_t affected = -1;
    const struct pg_param p[] = {param_int4(3)};
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "UPDATE n SET v = v WHERE v > $1", p, 1, &affected, &e), &e, "update");
    ck_assert_int_eq(affected, 4);
    assert_done(pg_exec(t, "DELETE FROM n WHERE v > 100", NULL, 0, &affected, &e), &e, "delete");
    ck_assert_int_eq(affected, 0);
}
END_TEST

struct tally {
    int64_t rows, sum;
    int64_t fail_at;
};

static int on_row(void *ctx, const struct pg_rows *r, struct err *ret_e)
{
    struct tally *tally = ctx;
    tally->rows++;
    tally->sum += rows_int(r, 0, 0);
    if (tally->rows == tally->fail_at)
        return err_set(ret_e, ERR_INTERNAL, "PLANTED", "enough");
    return 0;
}

START_TEST(pg_each_gives_every_row_once)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct tally all = {.rows = 0}, none = {.rows = 0}, part = {.fail_at = 10}, after = {.rows = 0};
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(pg_each(t, "SELECT generate_series(1, 50000)", "i", NULL, 0, on_row, &all, &e), &e,
                "read all");
    ck_assert_int_eq(all.rows, 50000);
    ck_assert_int_eq(all.sum, 50000LL * 50001 / 2);
    assert_done(pg_each(t, "SELECT 1 WHERE false", "i", NULL, 0, on_row, &none, &e), &e, "no rows");
    ck_assert_int_eq(none.rows, 0);
    assert_failed(pg_each(t, "SELECT generate_series(1, 50000)", "i", NULL, 0, on_row, &part, &e),
                  &e, ERR_INTERNAL, "PLANTED", "a row that fails");
    ck_assert_int_eq(part.rows, 10);
    assert_done(pg_each(t, "SELECT 42", "i", NULL, 0, on_row, &after, &e), &e,
                "the next statement gets its own rows");
    ck_assert_int_eq(after.sum, 42);
    assert_failed(pg_each(t, "SELECT 'x'::text", "i", NULL, 0, on_row, &after, &e), &e,
                  ERR_PRECONDITION, "SCHEMA_MISMATCH", "rows of another type");
    assert_failed(pg_each(t, "SELECT 1000 / (1000 - g) FROM generate_series(1, 1000) g", "i", NULL,
                          0, on_row, &after, &e),
                  &e, ERR_INTERNAL, "BAD_VALUE", "a failure after many rows");
}
END_TEST

START_TEST(pg_sends_and_reads_megabytes)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    enum { N = 2000000 };
    int64_t *v = arena_new(a, int64_t, N);
    for (int64_t i = 0; i < N; i++)
        v[i] = i;
    const struct pg_param p[] = {param_array_int8(a, v, N)};
    assert_done(query(c, "SELECT $1::int8[]", "I", p, 1, &r), &e, "16 MB there and back");
    uint32_t n;
    ck_assert_mem_eq(rows_int_array(r, 0, 0, a, &n), v, N * sizeof(*v));
    ck_assert_uint_eq(n, N);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pg_query");
    TCase *values = tcase_create("values"), *reading = tcase_create("reading");
    tcase_add_test(values, pg_parameters_come_back_as_they_went);
    tcase_add_test(values, pg_nulls_are_told_from_empty);
    tcase_add_test(values, pg_arrays_come_back_as_they_went);
    tcase_add_test(values, pg_numeric_reads_as_tabled);
    tcase_add_test(values, pg_amounts_survive_the_way_there_and_back);
    tcase_add_test(values, pg_numeric_texts_are_the_servers_numbers);
    tcase_add_test(reading, pg_query_refuses_an_answer_of_another_type);
    tcase_add_test(reading, pg_reads_enums_as_text);
    tcase_add_test(reading, pg_exec_counts_rows);
    tcase_add_test(reading, pg_each_gives_every_row_once);
    tcase_add_test(reading, pg_sends_and_reads_megabytes);
    tcase_set_timeout(values, 60);
    tcase_set_timeout(reading, 60);
    suite_add_tcase(s, values);
    suite_add_tcase(s, reading);
    return support_run(s, SUPPORT_PG);
}
