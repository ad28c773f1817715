/* amount.c - the kinds of slots, saturating arithmetic, and amounts as text. */
#include "scheduler/amount.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum slot_type slot_type_parse(const char *text, bool *known)
{
    static const struct {
        const char *text;
        enum slot_type type;
    } types[] = {
        {"count", SLOT_COUNT},
        {"bytes", SLOT_BYTES},
        {"unique", SLOT_COUNT},
        {"unified", SLOT_COUNT},
    };
    enum slot_type type = SLOT_COUNT;
    bool found = false;
    for (size_t i = 0; text != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(text, types[i].text) == 0) {
            type = types[i].type;
            found = true;
        }
    }
    if (known != NULL)
        *known = found;
    return type;
}

const char *amount_problem(enum amount_error why)
{
    static const char *const words[] = {
        [AMOUNT_OK] = "is an amount",
        [AMOUNT_NEGATIVE] = "is negative",
        [AMOUNT_NAN] = "is not a number",
        [AMOUNT_FRACTIONAL_BYTES] = "is not a whole number of bytes",
        [AMOUNT_UNPARSABLE] = "cannot be read as an amount",
        [AMOUNT_INFINITE] = "is infinite",
    };
    return words[why];
}

static int64_t saturate(int64_t amount)
{
    if (amount > AMOUNT_MAX)
        return AMOUNT_MAX;
    return amount < AMOUNT_MIN ? AMOUNT_MIN : amount;
}

/* Plugins link to these. */
extern inline bool amounts_are_plain(int64_t a, int64_t b);
extern inline int64_t amount_add(int64_t a, int64_t b);
extern inline int64_t amount_sub(int64_t a, int64_t b);

int64_t amount_add_any(int64_t a, int64_t b)
{
    int64_t sum = 0;
    if (a == AMOUNT_INF || b == AMOUNT_INF)
        return AMOUNT_INF;
    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? AMOUNT_MIN : AMOUNT_MAX;
    return saturate(sum);
}

int64_t amount_sub_any(int64_t a, int64_t b)
{
    int64_t difference = 0;
    if (a == AMOUNT_INF)
        return AMOUNT_INF;
    if (b == AMOUNT_INF)
        return AMOUNT_MIN;
    if (__builtin_sub_overflow(a, b, &difference))
        return a < 0 ? AMOUNT_MIN : AMOUNT_MAX;
    return saturate(difference);
}

static bool format_special(int64_t amount, char text[AMOUNT_TEXT])
{
    if (amount != AMOUNT_INF && amount != AMOUNT_UNKNOWN)
        return false;
    snprintf(text, AMOUNT_TEXT, "%s", amount == AMOUNT_INF ? "Infinity" : "");
    return true;
}

/* sign, whole, and n decimals without the zeros at their end, then the suffix. */
static void format_decimal(char text[AMOUNT_TEXT], bool negative, uint64_t whole, uint64_t decimals,
                           int n, const char *suffix)
{
    while (n > 0 && decimals % 10 == 0) {
        decimals /= 10;
        n--;
    }
    const char *sign = negative ? "-" : "";
    if (n == 0)
        snprintf(text, AMOUNT_TEXT, "%s%" PRIu64 "%s", sign, whole, suffix);
    else
        snprintf(text, AMOUNT_TEXT, "%s%" PRIu64 ".%0*" PRIu64 "%s", sign, whole, n, decimals,
                 suffix);
}

static uint64_t magnitude(int64_t amount)
{
    return amount < 0 ? -(uint64_t)amount : (uint64_t)amount;
}

char *amount_format(int64_t amount, enum slot_type type, char text[AMOUNT_TEXT])
{
    if (format_special(amount, text))
        return text;
    uint64_t unit = type == SLOT_BYTES ? 1 : (uint64_t)AMOUNT_ONE;
    uint64_t size = magnitude(amount);
    format_decimal(text, amount < 0, size / unit, size % unit, 6, "");
    return text;
}

char *amount_humanize(int64_t amount, enum slot_type type, char text[AMOUNT_TEXT])
{
    static const char *const suffixes[] = {"", "k", "m", "g", "t", "p", "e"};
    uint64_t size = magnitude(amount);
    if (type != SLOT_BYTES || amount == AMOUNT_INF || amount == AMOUNT_UNKNOWN || size < 1024)
        return amount_format(amount, type, text);
    int scale = 1;
    while (scale < 6 && size >> (10 * (scale + 1)) > 0)
        scale++;
    int shift = 10 * scale;
    uint64_t left = size & ((UINT64_C(1) << shift) - 1);
    __extension__ typedef unsigned __int128 wide;
    wide hundredths = (wide)left * 100;
    uint64_t cents = (uint64_t)(hundredths >> shift);
    wide rest = hundredths - ((wide)cents << shift);
    wide half = (wide)1 << (shift - 1);
    if (rest > half || (rest == half && cents % 2 == 1))
        cents++;
    format_decimal(text, amount < 0, (size >> shift) + cents / 100, cents % 100, 2,
                   suffixes[scale]);
    return text;
}
