/* pg_wire.h - PostgreSQL's binary formats. Private to pg_*.c. */
#ifndef BERTH_REPO_PG_WIRE_H
#define BERTH_REPO_PG_WIRE_H

#include <endian.h>
#include <libpq-fe.h>
#include <string.h>

#include "repo/pg_query.h"

/* Oids of pg_type that never change. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_CHAR = 18,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_JSON = 114,
    OID_UNKNOWN = 705,
    OID_BOOL_ARRAY = 1000,
    OID_INT2_ARRAY = 1005,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_VARCHAR_ARRAY = 1015,
    OID_INT8_ARRAY = 1016,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_TIMESTAMPTZ = 1184,
    OID_TIMESTAMPTZ_ARRAY = 1185,
    OID_NUMERIC_ARRAY = 1231,
    OID_NUMERIC = 1700,
    OID_UUID = 2950,
    OID_UUID_ARRAY = 2951,
    OID_JSONB = 3802,
    OID_JSONB_ARRAY = 3807,
    OID_FIRST_OWN = 16384 /* enums and other types of the database itself */
};

/* timestamptz counts microseconds from 2000-01-01. */
#define PG_EPOCH_US INT64_C(946684800000000)
int64_t pg_time_to_wire(int64_t unix_us); /* saturates */
int64_t pg_time_from_wire(int64_t pg_us);

/* Numbers of the wire, big-endian, at any alignment. */
static inline void wire_put16(uint8_t *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof(v));
}
static inline void wire_put32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}
static inline void wire_put64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}
static inline uint16_t wire_get16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return be16toh(v);
}
static inline uint32_t wire_get32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}
static inline uint64_t wire_get64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

/* numeric: digits to the base 10000, the first worth 10000^weight. */
enum { NUMERIC_AMOUNT_BYTES = 8 + 2 * 6 };
/* Writes at most NUMERIC_AMOUNT_BYTES, returns how many. */
size_t numeric_from_amount(int64_t amount, enum slot_type type, uint8_t *ret);
/* The bytes a text of that length can need, and the writing of it. */
size_t numeric_text_bound(size_t len);
size_t numeric_from_text(const char *text, uint8_t *ret);
/* Both answer "NaN" and AMOUNT_NAN for bytes that are no numeric. */
const char *numeric_to_text(const uint8_t *p, size_t len, char text[PG_NUMERIC_TEXT]);
enum amount_error numeric_to_amount(const uint8_t *p, size_t len, enum slot_type type,
                                    int64_t *ret);

struct pg_rows {
    PGresult *res;
    const char *columns;
};
/* Is the answer as wide as `columns` and of its types? */
int rows_check(const PGresult *res, const char *columns, struct err *e) MUST_CHECK;

#endif
