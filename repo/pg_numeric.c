/* pg_numeric.c - numeric in binary, to and from decimal text and amounts.
 *
 * int16 number of digits, int16 weight, uint16 sign, uint16 decimals shown; then int16 digits to
 * the base 10000. What is written here need not be in shortest form: the server strips it. */
#include <stdio.h>

#include "repo/pg_wire.h"

enum { BASE = 10000, HEADER = 8, AMOUNT_DECIMALS = 6, MAX_DIGITS = 4000 };
enum {
    SIGN_PLUS = 0,
    SIGN_MINUS = 0x4000,
    SIGN_NAN = 0xC000,
    SIGN_INF = 0xD000,
    SIGN_NINF = 0xF000
};

static size_t put_header(uint8_t *p, unsigned n_digits, int weight, unsigned sign,
                         unsigned decimals)
{
    wire_put16(p, (uint16_t)n_digits);
    wire_put16(p + 2, (uint16_t)weight);
    wire_put16(p + 4, (uint16_t)sign);
    wire_put16(p + 6, (uint16_t)decimals);
    return HEADER + 2 * (size_t)n_digits;
}

size_t numeric_from_amount(int64_t amount, enum slot_type type, uint8_t *ret)
{
    if (amount == AMOUNT_INF || amount == AMOUNT_UNKNOWN)
        return put_header(ret, 0, 0, amount == AMOUNT_INF ? SIGN_INF : SIGN_NAN, 0);
    const unsigned sign = amount < 0 ? SIGN_MINUS : SIGN_PLUS;
    uint64_t left = amount < 0 ? -(uint64_t)amount : (uint64_t)amount;
    const bool bytes = type == SLOT_BYTES;
    const unsigned n = bytes ? 5 : 6; /* 10000^5 and 10000^4 hold every integer part */
    uint8_t *digit = ret + HEADER + 2 * (size_t)n;
    if (!bytes) { /* six decimals are one digit and a half */
        const uint64_t fraction = left % AMOUNT_ONE * 100;
        wire_put16(digit -= 2, (uint16_t)(fraction % BASE));
        wire_put16(digit -= 2, (uint16_t)(fraction / BASE));
        left /= AMOUNT_ONE;
    }
    for (; digit > ret + HEADER; left /= BASE)
        wire_put16(digit -= 2, (uint16_t)(left % BASE));
    return put_header(ret, n, bytes ? 4 : 3, sign, bytes ? 0 : AMOUNT_DECIMALS);
}

size_t numeric_text_bound(size_t len)
{
    return HEADER + 2 * (len / 4 + 2);
}

size_t numeric_from_text(const char *text, uint8_t *ret)
{
    const bool minus = *text == '-';
    const char *whole = text + minus;
    const size_t n_whole = strspn(whole, "0123456789");
    const char *point = whole + n_whole;
    const char *fraction = *point == '.' ? point + 1 : point;
    const size_t n_fraction = strspn(fraction, "0123456789");
    if (n_whole + n_fraction == 0 || fraction[n_fraction] != '\0' ||
        n_whole + n_fraction > MAX_DIGITS)
        return put_header(ret, 0, 0, SIGN_NAN, 0);
    /* Groups of four from the point outwards; `place` is the power of ten of the digit ahead. */
    const size_t whole_groups = (n_whole + 3) / 4;
    const size_t groups = whole_groups + (n_fraction + 3) / 4;
    memset(ret + HEADER, 0, 2 * groups);
    for (size_t i = 0; i < n_whole + n_fraction; i++) {
        static const uint16_t worth[] = {1000, 100, 10, 1};
        const size_t place = 4 * whole_groups - n_whole + i;
        uint8_t *group = ret + HEADER + 2 * (place / 4);
        const int digit = i < n_whole ? whole[i] - '0' : fraction[i - n_whole] - '0';
        wire_put16(group, (uint16_t)(wire_get16(group) + digit * worth[place % 4]));
    }
    return put_header(ret, (unsigned)groups, (int)whole_groups - 1, minus ? SIGN_MINUS : SIGN_PLUS,
                      (unsigned)n_fraction);
}

struct numeric {
    unsigned n_digits, sign, decimals;
    int weight;
    const uint8_t *digits;
};

static bool sign_is_known(unsigned sign)
{
    return sign == SIGN_PLUS || sign == SIGN_MINUS || sign == SIGN_INF || sign == SIGN_NINF;
}

/* False: NaN, or bytes that no server writes. */
static bool read_header(const uint8_t *p, size_t len, struct numeric *ret)
{
    if (len < HEADER)
        return false;
    *ret = (struct numeric){
        .n_digits = wire_get16(p),
        .weight = (int16_t)wire_get16(p + 2),
        .sign = wire_get16(p + 4),
        .decimals = wire_get16(p + 6),
        .digits = p + HEADER,
    };
    if (!sign_is_known(ret->sign) || len < HEADER + 2 * (size_t)ret->n_digits)
        return false;
    for (unsigned i = 0; i < ret->n_digits; i++)
        if (wire_get16(ret->digits + 2 * (size_t)i) >= BASE)
            return false;
    if (ret->n_digits == 0)
        ret->weight = 0; /* of nothing: whatever is said */
    return true;
}

/* The digit worth 10000^power. */
static unsigned digit_at(const struct numeric *n, int power)
{
    const int i = n->weight - power;
    return i >= 0 && (unsigned)i < n->n_digits ? wire_get16(n->digits + 2 * (size_t)i) : 0;
}

/* Too long to write out: no amount needs that, so the magnitude and up to ten groups are kept. */
static const char *long_text(const struct numeric *n, char text[PG_NUMERIC_TEXT])
{
    size_t at = (size_t)snprintf(text, PG_NUMERIC_TEXT, "%s", n->sign == SIGN_MINUS ? "-" : "");
    int power = n->weight;
    for (; power > n->weight - 10; power--)
        at += (size_t)snprintf(text + at, PG_NUMERIC_TEXT - at, "%04u", digit_at(n, power));
    (void)snprintf(text + at, PG_NUMERIC_TEXT - at, "e%d", 4 * (power + 1));
    return text;
}

const char *numeric_to_text(const uint8_t *p, size_t len, char text[PG_NUMERIC_TEXT])
{
    enum { MAX_WHOLE_GROUPS = 10, MAX_DECIMALS = 24 }; /* what the text has room for */
    struct numeric n;
    if (!read_header(p, len, &n))
        return "NaN";
    if (n.sign == SIGN_INF || n.sign == SIGN_NINF)
        return n.sign == SIGN_INF ? "Infinity" : "-Infinity";
    if (n.n_digits == 0 && n.decimals > MAX_DECIMALS)
        return "0";
    if (n.n_digits > 0 &&
        (n.weight >= MAX_WHOLE_GROUPS || n.decimals > MAX_DECIMALS || n.weight < -6))
        return long_text(&n, text);
    size_t at = (size_t)snprintf(text, PG_NUMERIC_TEXT, "%s%u", n.sign == SIGN_MINUS ? "-" : "",
                                 n.weight > 0 ? digit_at(&n, n.weight) : digit_at(&n, 0));
    for (int power = n.weight - 1; power >= 0; power--)
        at += (size_t)snprintf(text + at, PG_NUMERIC_TEXT - at, "%04u", digit_at(&n, power));
    if (n.decimals == 0)
        return text;
    const size_t end = at + 1 + n.decimals;
    text[at++] = '.';
    for (int power = -1; at < end; power--)
        at += (size_t)snprintf(text + at, PG_NUMERIC_TEXT - at, "%04u", digit_at(&n, power));
    text[end] = '\0'; /* the last group may be shown in part */
    return text;
}

/* Amounts as they are stored: a few digits, no sign, at most six decimals (none for bytes). */
static bool is_plain(const struct numeric *n, enum slot_type type)
{
    const int lowest = n->weight - (int)n->n_digits + 1;
    if (n->sign != SIGN_PLUS)
        return false;
    if (type == SLOT_BYTES)
        return n->n_digits == 0 || (n->weight <= 3 && lowest >= 0);
    if (lowest < 0 && n->decimals < AMOUNT_DECIMALS)
        return false; /* of its digits fewer may be meant to be shown */
    return n->n_digits == 0 || (n->weight <= 2 && lowest >= -2 && digit_at(n, -2) % 100 == 0);
}

enum amount_error numeric_to_amount(const uint8_t *p, size_t len, enum slot_type type, int64_t *ret)
{
    struct numeric n;
    if (!read_header(p, len, &n) || !is_plain(&n, type)) { /* the long way knows every rule */
        char text[PG_NUMERIC_TEXT];
        const char *words = numeric_to_text(p, len, text);
        return amount_parse(words, strlen(words), type, ret);
    }
    int64_t whole = 0;
    for (int power = n.weight; power >= 0; power--)
        whole = whole * BASE + digit_at(&n, power);
    *ret = whole;
    if (type != SLOT_BYTES)
        *ret = whole * AMOUNT_ONE + (int64_t)digit_at(&n, -1) * 100 + digit_at(&n, -2) / 100;
    return AMOUNT_OK;
}
