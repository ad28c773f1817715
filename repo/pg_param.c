/* pg_param.c - parameters of a statement. */
#include <stdlib.h>

#include "repo/pg_wire.h"
#include "scheduler/snapshot.h"

int64_t pg_time_to_wire(int64_t unix_us)
{
    int64_t us;
    return __builtin_sub_overflow(unix_us, PG_EPOCH_US, &us) ? INT64_MIN : us;
}

int64_t pg_time_from_wire(int64_t pg_us)
{
    int64_t us;
    return __builtin_add_overflow(pg_us, PG_EPOCH_US, &us) ? INT64_MAX : us;
}

static struct pg_param bytes(uint32_t type, bool binary, const void *data, size_t len)
{
    if (data == NULL)
        return (struct pg_param){.type = type, .len = -1};
    if (len > INT32_MAX)
        abort(); /* sizes are bounded at the door */
    return (struct pg_param){.type = type, .binary = binary, .len = (int32_t)len, .u.data = data};
}

/* Text format: libpq reads up to the NUL. */
static struct pg_param in_text(uint32_t type, const char *s)
{
    return bytes(type, false, s, s != NULL ? strlen(s) : 0);
}

struct pg_param param_text(const char *s)
{
    return in_text(OID_TEXT, s);
}

struct pg_param param_textn(const char *s, size_t len)
{
    return bytes(OID_TEXT, true, s, len);
}

struct pg_param param_untyped(const char *s)
{
    return in_text(0, s);
}

struct pg_param param_jsonb(const char *json)
{
    return in_text(OID_JSONB, json);
}

struct pg_param param_numeric(const char *decimal)
{
    return in_text(OID_NUMERIC, decimal);
}

struct pg_param param_bytea(const void *p, size_t len)
{
    return bytes(OID_BYTEA, true, p, len);
}

struct pg_param param_uuid(const struct uuid *u)
{
    return bytes(OID_UUID, true, u, sizeof(*u));
}

struct pg_param param_int8(int64_t v)
{
    struct pg_param p = {.type = OID_INT8, .binary = true, .is_inline = true, .len = 8};
    wire_put64(p.u.scalar, (uint64_t)v);
    return p;
}

struct pg_param param_int4(int32_t v)
{
    struct pg_param p = {.type = OID_INT4, .binary = true, .is_inline = true, .len = 4};
    wire_put32(p.u.scalar, (uint32_t)v);
    return p;
}

struct pg_param param_bool(bool v)
{
    struct pg_param p = {.type = OID_BOOL, .binary = true, .is_inline = true, .len = 1};
    p.u.scalar[0] = v ? 1 : 0;
    return p;
}

struct pg_param param_time(int64_t us)
{
    if (us == TIME_NONE)
        return bytes(OID_TIMESTAMPTZ, true, NULL, 0);
    struct pg_param p = param_int8(pg_time_to_wire(us));
    p.type = OID_TIMESTAMPTZ;
    return p;
}

/* --- Arrays ------------------------------------------------------------------------------------
 * One dimension: a header, then each element with its length, -1 for NULL. */
enum { ARRAY_HEADER = 20, ARRAY_EMPTY_HEADER = 12 };

struct array {
    uint8_t *start, *at;
    uint32_t type; /* of the array */
};

static struct array array_begin(struct arena *a, uint32_t type, uint32_t element, uint32_t n,
                                size_t element_bytes)
{
    /* A length word an element, then the elements. */
    uint8_t *p = arena_alloc(a, ARRAY_HEADER + 4 * (size_t)n + element_bytes, 1);
    wire_put32(p, n > 0 ? 1 : 0);
    wire_put32(p + 4, 1); /* may hold NULLs */
    wire_put32(p + 8, element);
    wire_put32(p + 12, n);
    wire_put32(p + 16, 1); /* the first index */
    return (struct array){
        .start = p, .at = p + (n > 0 ? ARRAY_HEADER : ARRAY_EMPTY_HEADER), .type = type};
}

static uint8_t *array_element(struct array *s, uint32_t len)
{
    uint8_t *p = s->at + 4;
    wire_put32(s->at, len);
    s->at = p + len;
    return p;
}

static void array_null(struct array *s)
{
    wire_put32(s->at, UINT32_MAX);
    s->at += 4;
}

static struct pg_param array_end(const struct array *s)
{
    return bytes(s->type, true, s->start, (size_t)(s->at - s->start));
}

/* jsonb differs from text by a version byte in front. */
static struct pg_param texts(struct arena *a, uint32_t type, uint32_t element, size_t version,
                             const char *const *v, uint32_t n)
{
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += v[i] != NULL ? strlen(v[i]) + version : 0;
    struct array s = array_begin(a, type, element, n, total);
    for (uint32_t i = 0; i < n; i++) {
        if (v[i] == NULL) {
            array_null(&s);
            continue;
        }
        const size_t len = strlen(v[i]);
        uint8_t *p = array_element(&s, (uint32_t)(len + version));
        memset(p, 1, version);
        memcpy(p + version, v[i], len);
    }
    return array_end(&s);
}

struct pg_param param_array_text(struct arena *a, const char *const *v, uint32_t n)
{
    return texts(a, OID_TEXT_ARRAY, OID_TEXT, 0, v, n);
}

struct pg_param param_array_jsonb(struct arena *a, const char *const *v, uint32_t n)
{
    return texts(a, OID_JSONB_ARRAY, OID_JSONB, 1, v, n);
}

struct pg_param param_array_uuid(struct arena *a, const struct uuid *v, uint32_t n)
{
    struct array s = array_begin(a, OID_UUID_ARRAY, OID_UUID, n, sizeof(*v) * (size_t)n);
    for (uint32_t i = 0; i < n; i++)
        memcpy(array_element(&s, sizeof(*v)), &v[i], sizeof(*v));
    return array_end(&s);
}

struct pg_param param_array_int8(struct arena *a, const int64_t *v, uint32_t n)
{
    struct array s = array_begin(a, OID_INT8_ARRAY, OID_INT8, n, 8 * (size_t)n);
    for (uint32_t i = 0; i < n; i++)
        wire_put64(array_element(&s, 8), (uint64_t)v[i]);
    return array_end(&s);
}

struct pg_param param_array_int4(struct arena *a, const int32_t *v, uint32_t n)
{
    struct array s = array_begin(a, OID_INT4_ARRAY, OID_INT4, n, 4 * (size_t)n);
    for (uint32_t i = 0; i < n; i++)
        wire_put32(array_element(&s, 4), (uint32_t)v[i]);
    return array_end(&s);
}

struct pg_param param_array_bool(struct arena *a, const bool *v, uint32_t n)
{
    struct array s = array_begin(a, OID_BOOL_ARRAY, OID_BOOL, n, n);
    for (uint32_t i = 0; i < n; i++)
        *array_element(&s, 1) = v[i] ? 1 : 0;
    return array_end(&s);
}

struct pg_param param_array_time(struct arena *a, const int64_t *us, uint32_t n)
{
    struct array s = array_begin(a, OID_TIMESTAMPTZ_ARRAY, OID_TIMESTAMPTZ, n, 8 * (size_t)n);
    for (uint32_t i = 0; i < n; i++) {
        if (us[i] == TIME_NONE)
            array_null(&s);
        else
            wire_put64(array_element(&s, 8), (uint64_t)pg_time_to_wire(us[i]));
    }
    return array_end(&s);
}

struct pg_param param_array_amount(struct arena *a, const int64_t *v, const enum slot_type *types,
                                   uint32_t n)
{
    struct array s =
        array_begin(a, OID_NUMERIC_ARRAY, OID_NUMERIC, n, NUMERIC_AMOUNT_BYTES * (size_t)n);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t number[NUMERIC_AMOUNT_BYTES];
        const size_t len = numeric_from_amount(v[i], types[i], number);
        memcpy(array_element(&s, (uint32_t)len), number, len);
    }
    return array_end(&s);
}

struct pg_param param_array_numeric(struct arena *a, const char *const *v, uint32_t n)
{
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += v[i] != NULL ? numeric_text_bound(strlen(v[i])) : 0;
    struct array s = array_begin(a, OID_NUMERIC_ARRAY, OID_NUMERIC, n, total);
    for (uint32_t i = 0; i < n; i++) {
        if (v[i] == NULL) {
            array_null(&s);
            continue;
        }
        uint8_t *head = s.at;
        const size_t len = numeric_from_text(v[i], head + 4);
        (void)array_element(&s, (uint32_t)len);
    }
    return array_end(&s);
}
