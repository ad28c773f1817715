/* amount.h - exact amounts of a slot.
 *
 * A slot of type bytes counts bytes; every other type counts micro-units (6 decimals). Amounts are
 * int64_t, never negative in a valid row; AMOUNT_INF is the explicit infinity of limits. All
 * arithmetic saturates at AMOUNT_MAX; infinity plus or minus anything finite stays infinity. */
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

/* Why a text is not an amount; amount_problem() gives the words for a sentence. */
enum amount_error {
    AMOUNT_OK,
    AMOUNT_NEGATIVE,
    AMOUNT_NAN,
    AMOUNT_FRACTIONAL_BYTES,
    AMOUNT_UNPARSABLE,
    AMOUNT_INFINITE /* where no infinity may stand */
};
const char *amount_problem(enum amount_error why);

/* Plain decimal text or JSON number, exponents included ("1e3"): requests, capacities, the ledger.
 * More than 6 decimals round half to even; too large for the unit saturates at AMOUNT_MAX. */
enum amount_error amount_parse(const char *text, size_t len, enum slot_type type, int64_t *ret);

/* What a person may write in a limit: the above, size suffixes for bytes ("64g", "1.5 GiB"), "inf",
 * "infinite", "infinity"; no exponent for bytes. */
enum amount_error amount_parse_limit(const char *text, size_t len, enum slot_type type,
                                     int64_t *ret);

enum { AMOUNT_TEXT = 32 };
/* Plain decimal text: "0.5", "17179869184", "Infinity". Returns text. */
char *amount_format(int64_t amount, enum slot_type type, char text[AMOUNT_TEXT]);
/* Bytes as "2g", "3.5g", "1.18m", "1023"; others plain decimal; "Infinity". */
char *amount_humanize(int64_t amount, enum slot_type type, char text[AMOUNT_TEXT]);

int64_t amount_add(int64_t a, int64_t b);
int64_t amount_sub(int64_t a, int64_t b);

#endif
