/* pg_rows.c - answers: checked once against their signature, then read without surprises. */
#include <assert.h>
#include <stdlib.h>

#include "repo/pg_wire.h"
#include "scheduler/snapshot.h"

static const struct {
    const char *name;
    Oid oids[8];
    char letter;
    bool own; /* enums too */
} kinds[] = {
    {"uuid", {OID_UUID}, 'u', false},
    {"text",
     {OID_TEXT, OID_VARCHAR, OID_JSONB, OID_JSON, OID_BPCHAR, OID_NAME, OID_CHAR, OID_UNKNOWN},
     't',
     true},
    {"integer", {OID_INT8, OID_INT4, OID_INT2}, 'i', false},
    {"boolean", {OID_BOOL}, 'b', false},
    {"numeric", {OID_NUMERIC}, 'n', false},
    {"timestamptz", {OID_TIMESTAMPTZ}, 's', false},
    {"bytea", {OID_BYTEA}, 'x', false},
    {"uuid[]", {OID_UUID_ARRAY}, 'U', false},
    {"text[]", {OID_TEXT_ARRAY, OID_VARCHAR_ARRAY}, 'T', false},
    {"integer[]", {OID_INT8_ARRAY, OID_INT4_ARRAY, OID_INT2_ARRAY}, 'I', false},
};

static unsigned kind_of(char letter)
{
    unsigned i = 0;
    while (i < ARRAY_SIZE(kinds) && kinds[i].letter != letter)
        i++;
    assert(i < ARRAY_SIZE(kinds)); /* a letter that does not exist */
    return i;
}

static bool kind_has(unsigned kind, Oid type)
{
    if (type >= OID_FIRST_OWN)
        return kinds[kind].own;
    for (unsigned i = 0; i < ARRAY_SIZE(kinds[kind].oids); i++)
        if (type == kinds[kind].oids[i])
            return true;
    return false;
}

int rows_check(const PGresult *res, const char *columns, struct err *e)
{
    const int n = PQnfields(res);
    assert((size_t)n == strlen(columns)); /* the statement and its signature stand side by side */
    for (int col = 0; col < n; col++) {
        const unsigned kind = kind_of(columns[col]);
        if (kind_has(kind, PQftype(res, col)))
            continue;
        err_set(e, ERR_PRECONDITION, "SCHEMA_MISMATCH",
                "Column %s of the database should be of type %s: run `berthd migrate`.",
                PQfname(res, col), kinds[kind].name);
        return err_detail(e, "column %d (%s) has type Oid %u", col, PQfname(res, col),
                          PQftype(res, col));
    }
    return 0;
}

uint32_t rows_count(const struct pg_rows *r)
{
    return (uint32_t)PQntuples(r->res);
}

void rows_free(struct pg_rows *r)
{
    if (r == NULL)
        return;
    PQclear(r->res);
    free(r);
}

bool rows_is_null(const struct pg_rows *r, uint32_t row, int col)
{
    return PQgetisnull(r->res, (int)row, col) == 1;
}

/* NULL for SQL NULL. */
static const uint8_t *value(const struct pg_rows *r, uint32_t row, int col, char letter,
                            size_t *ret_len)
{
    assert(row < rows_count(r) && col < PQnfields(r->res));
    assert(r->columns[col] == letter);
    *ret_len = 0;
    if (rows_is_null(r, row, col))
        return NULL;
    *ret_len = (size_t)PQgetlength(r->res, (int)row, col);
    return (const uint8_t *)PQgetvalue(r->res, (int)row, col);
}

static const char *text(const struct pg_rows *r, uint32_t row, int col, size_t *ret_len)
{
    const uint8_t *p = value(r, row, col, 't', ret_len);
    if (p != NULL && PQftype(r->res, col) == OID_JSONB && *ret_len > 0) { /* a version byte */
        p++;
        (*ret_len)--;
    }
    return (const char *)p;
}

const char *rows_text(const struct pg_rows *r, uint32_t row, int col)
{
    size_t len;
    return text(r, row, col, &len);
}

size_t rows_text_len(const struct pg_rows *r, uint32_t row, int col)
{
    size_t len;
    (void)text(r, row, col, &len);
    return len;
}

static int64_t integer(const uint8_t *p, size_t len)
{
    if (len == 8)
        return (int64_t)wire_get64(p);
    if (len == 4)
        return (int32_t)wire_get32(p);
    return len == 2 ? (int16_t)wire_get16(p) : 0;
}

int64_t rows_int(const struct pg_rows *r, uint32_t row, int col)
{
    size_t len;
    const uint8_t *p = value(r, row, col, 'i', &len);
    return integer(p, len);
}

bool rows_bool(const struct pg_rows *r, uint32_t row, int col)
{
    size_t len;
    const uint8_t *p = value(r, row, col, 'b', &len);
    return len == 1 && *p != 0;
}

struct uuid rows_uuid(const struct pg_rows *r, uint32_t row, int col)
{
    size_t len;
    struct uuid u = {.b = {0}};
    const uint8_t *p = value(r, row, col, 'u', &len);
    if (len == sizeof(u))
        memcpy(&u, p, sizeof(u));
    return u;
}

int64_t rows_time(const struct pg_rows *r, uint32_t row, int col)
{
    size_t len;
    const uint8_t *p = value(r, row, col, 's', &len);
    return len == 8 ? pg_time_from_wire((int64_t)wire_get64(p)) : TIME_NONE;
}

const uint8_t *rows_bytea(const struct pg_rows *r, uint32_t row, int col, size_t *ret_len)
{
    return value(r, row, col, 'x', ret_len);
}

const char *rows_numeric(const struct pg_rows *r, uint32_t row, int col,
                         char text_[PG_NUMERIC_TEXT])
{
    size_t len;
    const uint8_t *p = value(r, row, col, 'n', &len);
    return p != NULL ? numeric_to_text(p, len, text_) : NULL;
}

enum amount_error rows_amount(const struct pg_rows *r, uint32_t row, int col, enum slot_type type,
                              int64_t *ret)
{
    size_t len;
    const uint8_t *p = value(r, row, col, 'n', &len);
    if (p != NULL)
        return numeric_to_amount(p, len, type, ret);
    *ret = 0;
    return AMOUNT_OK;
}

/* --- Arrays ------------------------------------------------------------------------------------
 */
struct elements {
    const uint8_t *at, *end;
    uint32_t n; /* what is left */
};

/* Every length is checked: a malformed value reads as the elements it really holds. */
static struct elements elements(const struct pg_rows *r, uint32_t row, int col, char letter)
{
    enum { HEADER = 12, DIMENSION = 8, MAX_DIMENSIONS = 6 };
    size_t len;
    const uint8_t *p = value(r, row, col, letter, &len);
    const uint32_t dimensions = len >= HEADER ? wire_get32(p) : 0;
    const size_t header = HEADER + DIMENSION * (size_t)dimensions;
    if (dimensions == 0 || dimensions > MAX_DIMENSIONS || header > len)
        return (struct elements){.n = 0};
    uint64_t n = 1;
    for (uint32_t i = 0; i < dimensions && n <= len; i++)
        n *= wire_get32(p + HEADER + DIMENSION * (size_t)i);
    if (n > (len - header) / 4) /* each has a length word */
        return (struct elements){.n = 0};
    return (struct elements){.at = p + header, .end = p + len, .n = (uint32_t)n};
}

/* *ret is NULL for a NULL element. False: no more. */
static bool next(struct elements *s, const uint8_t **ret, size_t *ret_len)
{
    if (s->n == 0 || s->end - s->at < 4)
        return false;
    const int32_t len = (int32_t)wire_get32(s->at);
    if (len > s->end - s->at - 4)
        return false;
    *ret = len < 0 ? NULL : s->at + 4;
    *ret_len = len < 0 ? 0 : (size_t)len;
    s->at += 4 + *ret_len;
    s->n--;
    return true;
}

const char *const *rows_text_array(const struct pg_rows *r, uint32_t row, int col, struct arena *a,
                                   uint32_t *ret_n)
{
    struct elements s = elements(r, row, col, 'T');
    *ret_n = 0;
    if (s.n == 0)
        return NULL;
    const char **list = arena_new(a, const char *, s.n);
    const uint8_t *p;
    size_t len;
    uint32_t n = 0;
    while (next(&s, &p, &len))
        list[n++] = p != NULL ? arena_strndup(a, (const char *)p, len) : NULL;
    *ret_n = n;
    return list;
}

const struct uuid *rows_uuid_array(const struct pg_rows *r, uint32_t row, int col, struct arena *a,
                                   uint32_t *ret_n)
{
    struct elements s = elements(r, row, col, 'U');
    *ret_n = 0;
    if (s.n == 0)
        return NULL;
    struct uuid *list = arena_new(a, struct uuid, s.n);
    const uint8_t *p;
    size_t len;
    uint32_t n = 0;
    while (next(&s, &p, &len)) {
        if (len == sizeof(*list))
            memcpy(&list[n], p, len);
        n++;
    }
    *ret_n = n;
    return list;
}

const int64_t *rows_int_array(const struct pg_rows *r, uint32_t row, int col, struct arena *a,
                              uint32_t *ret_n)
{
    struct elements s = elements(r, row, col, 'I');
    *ret_n = 0;
    if (s.n == 0)
        return NULL;
    int64_t *list = arena_new(a, int64_t, s.n);
    const uint8_t *p;
    size_t len;
    uint32_t n = 0;
    while (next(&s, &p, &len))
        list[n++] = integer(p, len);
    *ret_n = n;
    return list;
}
