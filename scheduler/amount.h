/* amount.h - exact amounts of a slot.
 *
 * A slot of type bytes counts bytes; every other type counts micro-units (6 decimals). Amounts are
 * int64_t, never negative in a valid row; AMOUNT_INF is the explicit infinity of limits. All
 * arithmetic saturates between AMOUNT_MIN and AMOUNT_MAX; no float takes part. */
#ifndef BERTH_SCHEDULER_AMOUNT_H
#define BERTH_SCHEDULER_AMOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMOUNT_INF     INT64_MAX
#define AMOUNT_MAX     (INT64_MAX - 1)
#define AMOUNT_MIN     (-AMOUNT_MAX)
#define AMOUNT_UNKNOWN INT64_MIN /* "does not apply", in causes only */
#define AMOUNT_ONE     INT64_C(1000000)

enum slot_type { SLOT_COUNT, SLOT_BYTES };

/* `unique`, `unified` and unknown texts are treated as count; *known (NULL is fine) says which. */
enum slot_type slot_type_parse(const char *text, bool *known);

/* Why a text is not an amount. */
enum amount_error {
    AMOUNT_OK,
    AMOUNT_NEGATIVE,
    AMOUNT_NAN,
    AMOUNT_FRACTIONAL_BYTES,
    AMOUNT_UNPARSABLE,
    AMOUNT_INFINITE /* where no infinity may stand */
};
/* The words for a sentence that begins with the column: "is negative". */
const char *amount_problem(enum amount_error why);

/* Plain decimal text or JSON number, exponents included ("1e3"): requests, capacities, the ledger.
 * White space around it does not count. More than 6 decimals round half to even; too large for the
 * unit saturates at AMOUNT_MAX. Bytes must be whole: "1.0" is, "0.5" is AMOUNT_FRACTIONAL_BYTES.
 * "-0" is 0. *ret is untouched unless AMOUNT_OK. text may hold any len bytes, no NUL needed. */
enum amount_error amount_parse(const char *text, size_t len, enum slot_type type, int64_t *ret);

/* What a person may write in a limit: the above, "_" between digits, and "inf", "infinite" or
 * "infinity" for AMOUNT_INF, in any case of letters. Bytes take no exponent but a size: a scale
 * letter k, m, g, t, p, e, z or y (powers of 1024), or a space, before an optional b, byte, bytes,
 * ib, ibyte or ibytes: "64g", "1.5 GiB", "1 KB", "100 bytes". A scaled size may have decimals; what
 * is left below one byte is cut off ("1.3k" is 1331). */
enum amount_error amount_parse_limit(const char *text, size_t len, enum slot_type type,
                                     int64_t *ret);

enum { AMOUNT_TEXT = 32 };
/* Plain decimal text: "0.5", "17179869184", "Infinity"; AMOUNT_UNKNOWN is "". Returns text. */
char *amount_format(int64_t amount, enum slot_type type, char text[AMOUNT_TEXT]);
/* For people. Bytes: the largest power of 1024 that leaves at least 1, at most 2 decimals rounded
 * half to even: "2g", "3.5g", "1.18m", "1023". Other types as amount_format(). */
char *amount_humanize(int64_t amount, enum slot_type type, char text[AMOUNT_TEXT]);

/* The two below, for amounts of any size and sign. */
int64_t amount_add_any(int64_t a, int64_t b);
int64_t amount_sub_any(int64_t a, int64_t b);

/* Neither can overflow, whatever is done with them once. */
inline bool amounts_are_plain(int64_t a, int64_t b)
{
    return ((uint64_t)a | (uint64_t)b) >> 61 == 0;
}

/* Saturating. An infinite a stays infinite whatever b is; an infinite b gives infinity when added
 * and AMOUNT_MIN when taken away. */
inline int64_t amount_add(int64_t a, int64_t b)
{
    return amounts_are_plain(a, b) ? a + b : amount_add_any(a, b);
}

inline int64_t amount_sub(int64_t a, int64_t b)
{
    return amounts_are_plain(a, b) ? a - b : amount_sub_any(a, b);
}

#endif
