/* fuzz_pg_rows.c - values in PostgreSQL's binary formats, as a server might send them. The first
 * byte is the type of the column. Amounts are what the text of the number reads as; arrays that
 * read are written and read again. */
#include "repo/pg_wire.h"
#include "scheduler/snapshot.h"
#include "tests/fuzz/fuzz.h"

static const struct {
    Oid type;
    char letter[2];
} columns[] = {
    {OID_NUMERIC, "n"},     {OID_TEXT_ARRAY, "T"}, {OID_UUID_ARRAY, "U"}, {OID_INT8_ARRAY, "I"},
    {OID_TIMESTAMPTZ, "s"}, {OID_INT8, "i"},       {OID_BOOL, "b"},       {OID_UUID, "u"},
    {OID_JSONB, "t"},       {OID_TEXT, "t"},       {OID_BYTEA, "x"},
};

/* One row of one column. */
static struct pg_rows *rows_of(uint32_t kind, const void *bytes, size_t n)
{
    static char name[] = "value";
    PGresAttDesc column = {.name = name, .typid = columns[kind].type, .format = 1};
    struct err e = {.code = ERR_NONE};
    struct pg_rows *r = malloc(sizeof(*r));
    FUZZ_REQUIRE(r != NULL, "no memory");
    *r = (struct pg_rows){.res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK),
                          .columns = columns[kind].letter};
    /* The bytes are copied to have their end guarded. */
    FUZZ_REQUIRE(PQsetResultAttrs(r->res, 1, &column) != 0 &&
                     PQsetvalue(r->res, 0, 0, (char *)(uintptr_t)bytes, (int)n) != 0,
                 "no answer made");
    FUZZ_REQUIRE(rows_check(r->res, r->columns, &e) == 0, "the column's own type is refused: %s",
                 e.message);
    return r;
}

static struct pg_rows *rows_of_param(uint32_t kind, const struct pg_param *p)
{
    FUZZ_REQUIRE(p->type == columns[kind].type, "written as type %u", p->type);
    return rows_of(kind, p->u.data, (size_t)p->len);
}

static void check_numeric(const struct pg_rows *r)
{
    static const enum slot_type types[] = {SLOT_COUNT, SLOT_BYTES};
    char text[PG_NUMERIC_TEXT];
    const char *words = rows_numeric(r, 0, 0, text);
    FUZZ_REQUIRE(strlen(words) < PG_NUMERIC_TEXT, "a text of %zu letters", strlen(words));
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        int64_t v = -1, slow = -1, again = -1;
        const enum amount_error why = rows_amount(r, 0, 0, types[i], &v);
        const enum amount_error slowly = amount_parse(words, strlen(words), types[i], &slow);
        FUZZ_REQUIRE(why == slowly && (why != AMOUNT_OK || v == slow),
                     "%s reads as %lld (%d), its text as %lld (%d)", words, (long long)v, (int)why,
                     (long long)slow, (int)slowly);
        if (why != AMOUNT_OK)
            continue;
        uint8_t bytes[NUMERIC_AMOUNT_BYTES];
        const size_t n = numeric_from_amount(v, types[i], bytes);
        FUZZ_REQUIRE(n <= sizeof(bytes) &&
                         numeric_to_amount(bytes, n, types[i], &again) == AMOUNT_OK && again == v,
                     "%lld is written as %lld", (long long)v, (long long)again);
    }
}

static void check_texts(const struct pg_rows *r, uint32_t kind, struct arena *a)
{
    uint32_t n = 0, n_again = 0;
    const char *const *v = rows_text_array(r, 0, 0, a, &n);
    if (n == 0)
        return;
    const struct pg_param p = param_array_text(a, v, n);
    CLEANUP(rows_freep) struct pg_rows *written = rows_of_param(kind, &p);
    const char *const *again = rows_text_array(written, 0, 0, a, &n_again);
    FUZZ_REQUIRE(n == n_again, "%u texts are written as %u", n, n_again);
    for (uint32_t i = 0; i < n; i++)
        FUZZ_REQUIRE((v[i] == NULL) == (again[i] == NULL) &&
                         (v[i] == NULL || strcmp(v[i], again[i]) == 0),
                     "text %u is another one", i);
}

static void check_uuids(const struct pg_rows *r, uint32_t kind, struct arena *a)
{
    uint32_t n = 0, n_again = 0;
    const struct uuid *v = rows_uuid_array(r, 0, 0, a, &n);
    if (n == 0)
        return;
    const struct pg_param p = param_array_uuid(a, v, n);
    CLEANUP(rows_freep) struct pg_rows *written = rows_of_param(kind, &p);
    const struct uuid *again = rows_uuid_array(written, 0, 0, a, &n_again);
    FUZZ_REQUIRE(n == n_again && memcmp(v, again, n * sizeof(*v)) == 0, "%u ids are written as %u",
                 n, n_again);
}

static void check_integers(const struct pg_rows *r, uint32_t kind, struct arena *a)
{
    uint32_t n = 0, n_again = 0;
    const int64_t *v = rows_int_array(r, 0, 0, a, &n);
    if (n == 0)
        return;
    const struct pg_param p = param_array_int8(a, v, n);
    CLEANUP(rows_freep) struct pg_rows *written = rows_of_param(kind, &p);
    const int64_t *again = rows_int_array(written, 0, 0, a, &n_again);
    FUZZ_REQUIRE(n == n_again && memcmp(v, again, n * sizeof(*v)) == 0,
                 "%u numbers are written as %u", n, n_again);
}

static void check_time(const struct pg_rows *r)
{
    const int64_t us = rows_time(r, 0, 0);
    if (us == TIME_NONE || us == INT64_MAX || us == INT64_MIN)
        return;
    FUZZ_REQUIRE(pg_time_from_wire(pg_time_to_wire(us)) == us, "%lld us is written as %lld",
                 (long long)us, (long long)pg_time_from_wire(pg_time_to_wire(us)));
}

/* Text ends where its length says, or before at a NUL. */
static void check_text(const struct pg_rows *r)
{
    FUZZ_REQUIRE(strlen(rows_text(r, 0, 0)) <= rows_text_len(r, 0, 0), "a text that has no end");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const uint32_t kind = take_kind(&bytes, &n, ARRAY_SIZE(columns));
    CLEANUP(rows_freep) struct pg_rows *r = rows_of(kind, n > 0 ? (const char *)bytes : "", n);
    size_t len;
    switch (*columns[kind].letter) {
    case 'n':
        check_numeric(r);
        break;
    case 'T':
        check_texts(r, kind, a);
        break;
    case 'U':
        check_uuids(r, kind, a);
        break;
    case 'I':
        check_integers(r, kind, a);
        break;
    case 's':
        check_time(r);
        break;
    case 'i':
        (void)rows_int(r, 0, 0);
        break;
    case 'b':
        (void)rows_bool(r, 0, 0);
        break;
    case 'u':
        (void)rows_uuid(r, 0, 0);
        break;
    case 'x':
        (void)rows_bytea(r, 0, 0, &len);
        break;
    default:
        check_text(r);
    }
    return 0;
}
