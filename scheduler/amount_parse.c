/* amount_parse.c - decimal text to an amount, digit by digit.
 *
 * A text is first cut into a struct decimal, which only says where the digits are; then the digits
 * are summed up in units of the slot: bytes, or millionths. */
#include <string.h>
#include <strings.h>

#include "scheduler/amount.h"

struct text {
    const char *p;
    size_t len;
};

struct decimal {
    bool negative;
    struct text mantissa;    /* digits, at most one '.', perhaps '_' */
    int64_t n_digits, n_int; /* digits in all; before the point */
    int64_t exponent;
};

/* An integer number of units and what is left of the text below one. */
struct sum {
    int64_t units; /* saturated at AMOUNT_MAX */
    int tenths;    /* the digit after it */
    bool more;     /* a digit other than 0 follows that one */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip(struct text *t, size_t n)
{
    t->p += n;
    t->len -= n;
}

static bool take_char(struct text *t, const char *any_of)
{
    if (t->len == 0 || *t->p == '\0' || strchr(any_of, *t->p) == NULL)
        return false;
    skip(t, 1);
    return true;
}

static struct text trim(const char *p, size_t len)
{
    struct text t = {p, len};
    while (t.len > 0 && is_space(t.p[0]))
        skip(&t, 1);
    while (t.len > 0 && is_space(t.p[t.len - 1]))
        t.len--;
    return t;
}

static bool is_word(struct text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.p, word, t.len) == 0;
}

/* AMOUNT_UNPARSABLE: t is none of the words. */
static enum amount_error parse_word(struct text t)
{
    bool negative = t.len > 0 && *t.p == '-';
    take_char(&t, "+-");
    if (is_word(t, "nan") || is_word(t, "snan"))
        return AMOUNT_NAN;
    if (is_word(t, "inf") || is_word(t, "infinite") || is_word(t, "infinity"))
        return negative ? AMOUNT_NEGATIVE : AMOUNT_INFINITE;
    return AMOUNT_UNPARSABLE;
}

/* Takes sign, digits and point off the front of t. false: no digit. */
static bool take_mantissa(struct text *t, bool underscores, struct decimal *ret)
{
    struct decimal d = {.negative = t->len > 0 && *t->p == '-'};
    take_char(t, "+-");
    d.mantissa.p = t->p;
    bool point = false;
    for (; t->len > 0; skip(t, 1)) {
        if (is_digit(*t->p)) {
            d.n_digits++;
            d.n_int += !point;
        } else if (*t->p == '.' && !point) {
            point = true;
        } else if (*t->p != '_' || !underscores) {
            break;
        }
    }
    d.mantissa.len = (size_t)(t->p - d.mantissa.p);
    *ret = d;
    return d.n_digits > 0;
}

/* Takes "e+12" off the front of t. false: it is not an exponent. */
static bool take_exponent(struct text *t, int64_t *ret)
{
    static const int64_t far = INT64_C(100000000000000000); /* beyond the length of any text */
    struct text at = *t;
    if (!take_char(&at, "eE"))
        return false;
    bool negative = at.len > 0 && *at.p == '-';
    take_char(&at, "+-");
    if (at.len == 0 || !is_digit(*at.p))
        return false;
    int64_t exponent = 0;
    for (; at.len > 0 && is_digit(*at.p); skip(&at, 1))
        exponent = exponent < far ? exponent * 10 + (*at.p - '0') : far;
    *ret = negative ? -exponent : exponent;
    *t = at;
    return true;
}

static int64_t append_digit(int64_t units, int digit)
{
    return units <= (AMOUNT_MAX - digit) / 10 ? units * 10 + digit : AMOUNT_MAX;
}

/* The value of d times 10^scale. */
static struct sum sum_up(const struct decimal *d, int scale)
{
    struct sum s = {0};
    int64_t power = d->n_int - 1 + d->exponent + scale; /* of the digit at hand */
    for (size_t i = 0; i < d->mantissa.len; i++) {
        if (!is_digit(d->mantissa.p[i]))
            continue;
        int digit = d->mantissa.p[i] - '0';
        if (power >= 0)
            s.units = append_digit(s.units, digit);
        else if (power == -1)
            s.tenths = digit;
        else
            s.more |= digit > 0;
        power--;
    }
    for (; power >= 0 && s.units > 0 && s.units < AMOUNT_MAX; power--)
        s.units = append_digit(s.units, 0);
    return s;
}

static enum amount_error value_of(const struct decimal *d, enum slot_type type, int64_t *ret)
{
    enum { MICRO = 6 };
    struct sum s = sum_up(d, type == SLOT_BYTES ? 0 : MICRO);
    bool below_one = s.tenths > 0 || s.more;
    if (d->negative && (s.units > 0 || below_one))
        return AMOUNT_NEGATIVE;
    if (type == SLOT_BYTES && below_one)
        return AMOUNT_FRACTIONAL_BYTES;
    bool half = s.tenths == 5 && !s.more;
    bool up = half ? s.units % 2 == 1 : s.tenths >= 5;
    *ret = up ? amount_add(s.units, 1) : s.units;
    return AMOUNT_OK;
}

static enum amount_error parse_plain(struct text t, bool underscores, enum slot_type type,
                                     int64_t *ret)
{
    struct text whole = t;
    struct decimal d;
    if (!take_mantissa(&t, underscores, &d))
        return parse_word(whole);
    take_exponent(&t, &d.exponent);
    return t.len == 0 ? value_of(&d, type, ret) : AMOUNT_UNPARSABLE;
}

enum amount_error amount_parse(const char *text, size_t len, enum slot_type type, int64_t *ret)
{
    return parse_plain(trim(text, len), false, type, ret);
}

/* --- sizes --- */

enum { MOST_SHIFT = 80 }; /* yotta */

/* What follows the number: blanks, a scale letter, an ending. *ret_shift: log2 of the scale. */
static bool parse_scale(struct text t, int *ret_shift)
{
    static const char letters[] = "kmgtpezy";
    static const char *const endings[] = {"", "b", "byte", "bytes", "ib", "ibyte", "ibytes"};
    int shift = -1;
    for (; t.len > 0 && is_space(*t.p); skip(&t, 1))
        shift = 0;
    for (int i = 0; letters[i] != '\0'; i++) {
        if (t.len > 0 && (*t.p | 0x20) == letters[i]) {
            shift = 10 * (i + 1);
            skip(&t, 1);
            break;
        }
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (shift >= 0 && is_word(t, endings[i])) {
            *ret_shift = shift;
            return true;
        }
    }
    return false;
}

/* floor(d * 2^shift), exact: a multiple of 2^-shift has at most `shift` decimals, so that digits
 * beyond those never move the result. */
static int64_t shift_up(const struct decimal *d, int shift)
{
    uint8_t fraction[MOST_SHIFT] = {0};
    int64_t units = sum_up(d, 0).units;
    const char *point = memchr(d->mantissa.p, '.', d->mantissa.len);
    const char *end = d->mantissa.p + d->mantissa.len;
    int n = 0;
    for (const char *p = point; p != NULL && p < end && n < shift; p++)
        if (is_digit(*p))
            fraction[n++] = (uint8_t)(*p - '0');
    for (int bit = 0; bit < shift; bit++) {
        int carry = 0;
        for (int i = n - 1; i >= 0; i--) {
            int twice = fraction[i] * 2 + carry;
            carry = twice >= 10;
            fraction[i] = (uint8_t)(twice % 10);
        }
        units = amount_add(amount_add(units, units), carry);
    }
    return units;
}

static enum amount_error parse_size(struct text t, int64_t *ret)
{
    struct text whole = t;
    struct decimal d;
    if (!take_mantissa(&t, true, &d))
        return parse_word(whole);
    struct text rest = t;
    if (take_exponent(&rest, &d.exponent) && rest.len == 0)
        return AMOUNT_FRACTIONAL_BYTES;
    int shift = 0;
    if (t.len > 0 && !parse_scale(t, &shift))
        return AMOUNT_UNPARSABLE;
    d.exponent = 0;
    if (shift == 0)
        return value_of(&d, SLOT_BYTES, ret);
    if (d.negative && value_of(&d, SLOT_COUNT, &(int64_t){0}) == AMOUNT_NEGATIVE)
        return AMOUNT_NEGATIVE;
    *ret = shift_up(&d, shift);
    return AMOUNT_OK;
}

enum amount_error amount_parse_limit(const char *text, size_t len, enum slot_type type,
                                     int64_t *ret)
{
    struct text t = trim(text, len);
    enum amount_error why =
        type == SLOT_BYTES ? parse_size(t, ret) : parse_plain(t, true, type, ret);
    if (why != AMOUNT_INFINITE)
        return why;
    *ret = AMOUNT_INF;
    return AMOUNT_OK;
}
