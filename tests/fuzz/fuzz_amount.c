/* fuzz_amount.c - amounts against a second, slow reading of the same text; limits and formats. The
 * first byte says which type of slot. */
#include <ctype.h>
#include <strings.h>

#include "scheduler/amount.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_TEXT = 200, DIGITS = 1024, MIDDLE = DIGITS / 2, MOST_EXPONENT = 100000 };

/* A number in long hand: digit[MIDDLE] is the ones, those before it count more. */
struct long_hand {
    bool negative;
    char digit[DIGITS];
    bool beyond; /* a digit other than 0 stands left of all of these */
    bool dust;   /* or right of them */
};

static void put_digit(struct long_hand *r, long at, int digit)
{
    if (digit == 0)
        return;
    if (at < 0)
        r->beyond = true;
    else if (at >= DIGITS)
        r->dust = true;
    else
        r->digit[at] = (char)digit;
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit. false: it is not that. */
static bool write_out(const char *p, const char *end, struct long_hand *r)
{
    const char *from, *point = NULL, *to;
    long exponent = 0, n = 0, n_int = 0;
    r->negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    for (from = p; p < end && (isdigit((unsigned char)*p) || (*p == '.' && point == NULL)); p++) {
        if (*p == '.')
            point = p;
        else
            n++, n_int += point == NULL;
    }
    to = p;
    if (n == 0)
        return false;
    if (p < end) {
        if (*p != 'e' && *p != 'E')
            return false;
        const bool minus = ++p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        if (p == end)
            return false;
        for (; p < end && isdigit((unsigned char)*p); p++)
            exponent = exponent < MOST_EXPONENT ? exponent * 10 + (*p - '0') : MOST_EXPONENT;
        exponent = minus ? -exponent : exponent;
    }
    long at = MIDDLE - (n_int - 1) - exponent;
    for (const char *q = from; q < to; q++)
        if (*q != '.')
            put_digit(r, at++, *q - '0');
    return p == end;
}

/* The number times 10^decimals, rounded half to even; *ret_cut: a part of a unit was cut off. */
static int64_t round_off(const struct long_hand *r, int decimals, bool *ret_cut)
{
    const int last = MIDDLE + decimals;
    unsigned __int128 units = 0;
    bool rest = r->dust;
    for (int i = 0; i <= last; i++)
        units = units > AMOUNT_MAX ? units : units * 10 + (unsigned)r->digit[i];
    for (int i = last + 2; i < DIGITS; i++)
        rest |= r->digit[i] != 0;
    const int tenths = r->digit[last + 1];
    *ret_cut = tenths != 0 || rest;
    if (r->beyond || units > AMOUNT_MAX)
        return AMOUNT_MAX;
    const bool up = tenths > 5 || (tenths == 5 && (rest || units % 2 == 1));
    units += up;
    return units > AMOUNT_MAX ? AMOUNT_MAX : (int64_t)units;
}

static enum amount_error read_word(const char *p, const char *end)
{
    const bool minus = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    static const struct {
        const char *word;
        bool number;
    } words[] = {
        {"nan", false}, {"snan", false}, {"inf", true}, {"infinite", true}, {"infinity", true}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strlen(words[i].word) == (size_t)(end - p) &&
            strncasecmp(p, words[i].word, (size_t)(end - p)) == 0)
            return !words[i].number ? AMOUNT_NAN : minus ? AMOUNT_NEGATIVE : AMOUNT_INFINITE;
    return AMOUNT_UNPARSABLE;
}

static enum amount_error read_slowly(const char *p, size_t n, enum slot_type type, int64_t *ret)
{
    struct long_hand r = {.negative = false};
    const char *end = p + n;
    bool cut = false;
    while (p < end && isspace((unsigned char)*p))
        p++;
    while (p < end && isspace((unsigned char)end[-1]))
        end--;
    if (!write_out(p, end, &r))
        return read_word(p, end);
    const int64_t units = round_off(&r, type == SLOT_BYTES ? 0 : 6, &cut);
    if (r.negative && (units > 0 || cut))
        return AMOUNT_NEGATIVE;
    if (type == SLOT_BYTES && cut)
        return AMOUNT_FRACTIONAL_BYTES;
    *ret = units;
    return AMOUNT_OK;
}

static void check_format(int64_t amount, enum slot_type type)
{
    char text[AMOUNT_TEXT], human[AMOUNT_TEXT];
    int64_t again = -1;
    amount_format(amount, type, text);
    FUZZ_REQUIRE(amount_parse(text, strlen(text), type, &again) == AMOUNT_OK && again == amount,
                 "%lld formats as %s, which is %lld", (long long)amount, text, (long long)again);
    FUZZ_REQUIRE(amount_humanize(amount, type, human)[0] != '\0', "%s is nothing for people", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const enum slot_type type = take_kind(&bytes, &n, 2) == 0 ? SLOT_COUNT : SLOT_BYTES;
    if (n > MOST_TEXT)
        return 0;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *text = n > 0 ? arena_memdup(a, bytes, n) : ""; /* with its end guarded */
    int64_t got = -7, want = -7, limit = -7;
    const enum amount_error said = amount_parse(text, n, type, &got);
    const enum amount_error slow = read_slowly(text, n, type, &want);
    FUZZ_REQUIRE(said == slow && got == want,
                 "\"%.*s\" is %lld (error %d), read slowly %lld (error %d)", (int)n, text,
                 (long long)got, (int)said, (long long)want, (int)slow);
    if (said == AMOUNT_OK)
        check_format(got, type);
    const enum amount_error as_limit = amount_parse_limit(text, n, type, &limit);
    FUZZ_REQUIRE(as_limit == AMOUNT_OK ? limit >= 0 : limit == -7, "limit \"%.*s\" is %lld", (int)n,
                 text, (long long)limit);
    if (as_limit == AMOUNT_OK && limit != AMOUNT_INF)
        check_format(limit, type);
    return 0;
}
