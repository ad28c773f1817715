/* option.c - option values: JSON text in, a checked number or text out. */
#include "scheduler/option.h"

#include <inttypes.h>
#include <string.h>

#include "scheduler/cause.h"

struct span {
    const char *at;
    size_t len;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct span trimmed(const char *text, size_t len)
{
    while (len > 0 && is_space(text[len - 1]))
        len--;
    while (len > 0 && is_space(*text)) {
        text++;
        len--;
    }
    return (struct span){text, len};
}

static bool span_is(struct span s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.at, word, s.len) == 0;
}

/* --- JSON strings --- */

static int hex4(const char *at, const char *end)
{
    int value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = is_digit(c)              ? c - '0'
                    : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                    : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                             : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | (c >> 6));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | (c >> 12));
        *out++ = (char)(0x80 | ((c >> 6) & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | (c >> 18));
        *out++ = (char)(0x80 | ((c >> 12) & 0x3f));
        *out++ = (char)(0x80 | ((c >> 6) & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* At the four digits of \uXXXX. Gives the code point and moves on, or NULL: surrogates must pair
 * and NUL cannot stand in a C string. */
static const char *unescape_unicode(const char *at, const char *end, uint32_t *ret)
{
    int high = hex4(at, end);
    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff))
        return NULL;
    at += 4;
    *ret = (uint32_t)high;
    if (high < 0xd800 || high > 0xdbff)
        return at;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return NULL;
    int low = hex4(at + 2, end);
    if (low < 0xdc00 || low > 0xdfff)
        return NULL;
    *ret = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
    return at + 6;
}

/* The text inside the quotes, or NULL when the value is no JSON string. */
static char *unquoted(struct span v, struct arena *a)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (v.len < 2 || v.at[0] != '"' || v.at[v.len - 1] != '"')
        return NULL;
    const char *at = v.at + 1, *end = v.at + v.len - 1;
    char *text = arena_new(a, char, v.len), *out = text;
    while (at < end) {
        if (*at == '"')
            return NULL;
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        if (++at == end)
            return NULL;
        if (*at == 'u') {
            uint32_t c = 0;
            at = unescape_unicode(at + 1, end, &c);
            if (at == NULL)
                return NULL;
            out = put_utf8(out, c);
            continue;
        }
        const char *found = strchr(plain, *at++);
        if (found == NULL)
            return NULL;
        *out++ = meant[found - plain];
    }
    return text;
}

/* --- integers --- */

struct decimal {        /* 12.50e3: whole 2, part 2, exponent 3 */
    const char *digits; /* a point stands behind the first `whole` of them where part > 0 */
    size_t whole, part;
    int32_t exponent;
    bool negative;
};

/* Moves over digits and gives their number. */
static size_t skip_digits(const char **at, const char *end)
{
    const char *begin = *at;
    while (*at < end && is_digit(**at))
        (*at)++;
    return (size_t)(*at - begin);
}

/* "e-3" */
static bool exponent_read(const char **at, const char *end, int32_t *ret)
{
    bool minus = ++*at < end && **at == '-';
    if (*at < end && (**at == '-' || **at == '+'))
        (*at)++;
    const char *digits = *at;
    size_t n = skip_digits(at, end);
    int32_t value = 0;
    for (size_t i = 0; i < n; i++) /* 9999 is as good as any greater one */
        value = value > 999 ? 9999 : value * 10 + (digits[i] - '0');
    *ret = minus ? -value : value;
    return n > 0;
}

static bool decimal_read(struct span v, struct decimal *ret)
{
    const char *at = v.at, *end = v.at + v.len;
    struct decimal d = {.negative = at < end && *at == '-'};
    if (d.negative)
        at++;
    d.digits = at;
    d.whole = skip_digits(&at, end);
    if (d.whole == 0)
        return false;
    if (at < end && *at == '.') {
        at++;
        d.part = skip_digits(&at, end);
        if (d.part == 0)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E') && !exponent_read(&at, end, &d.exponent))
        return false;
    *ret = d;
    return at == end;
}

static int digit_at(const struct decimal *d, size_t i)
{
    return d->digits[i < d->whole ? i : i + 1] - '0';
}

/* Exact: 2.0 and 20e-1 are integers, 2.0000001 is none. */
static bool integer_read(struct span v, int64_t *ret)
{
    struct decimal d;
    if (!decimal_read(v, &d))
        return false;
    size_t n = d.whole + d.part;
    while (n > 0 && digit_at(&d, n - 1) == 0)
        n--; /* trailing zeros are a matter of the exponent */
    int64_t zeros = (int64_t)d.whole - (int64_t)n + d.exponent;
    if (n > 0 && zeros < 0)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit_at(&d, i), &value))
            return false;
    for (; n > 0 && value != 0 && zeros > 0; zeros--)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    if (!d.negative && value == INT64_MIN)
        return false;
    *ret = d.negative ? value : -value;
    return true;
}

/* --- values --- */

static bool boolean_read(struct span v, int64_t *ret)
{
    if (!span_is(v, "true") && !span_is(v, "false"))
        return false;
    *ret = span_is(v, "true");
    return true;
}

static bool choice_read(const struct option_spec *spec, struct span v, struct option_value *ret)
{
    for (uint32_t i = 0; spec->choices[i] != NULL; i++)
        if (span_is(v, spec->choices[i])) {
            *ret = (struct option_value){.number = i, .text = spec->choices[i]};
            return true;
        }
    return false;
}

static bool value_read(const struct option_spec *spec, const char *json, struct arena *a,
                       struct option_value *ret)
{
    struct span v = trimmed(json, strlen(json));
    char *text = unquoted(v, a);
    if (text != NULL)
        v = trimmed(text, strlen(text));
    switch (spec->type) {
    case OPTION_INTEGER:
        return integer_read(v, &ret->number) && ret->number >= spec->min &&
               ret->number <= spec->max;
    case OPTION_BOOLEAN:
        return boolean_read(v, &ret->number);
    case OPTION_CHOICE:
        return text != NULL && choice_read(spec, v, ret);
    case OPTION_TEXT:
        ret->text = text;
        return text != NULL;
    }
    return false;
}

char *option_expectation(const struct option_spec *spec, struct arena *a)
{
    struct text t = {.arena = a};
    switch (spec->type) {
    case OPTION_INTEGER:
        if (spec->max == INT64_MAX)
            text_addf(&t, "an integer of at least %" PRId64, spec->min);
        else
            text_addf(&t, "an integer from %" PRId64 " to %" PRId64, spec->min, spec->max);
        break;
    case OPTION_BOOLEAN:
        text_add(&t, "true or false");
        break;
    case OPTION_CHOICE:
        text_add(&t, "one of ");
        for (uint32_t i = 0; spec->choices[i] != NULL; i++)
            text_addf(&t, "%s%s", i > 0 ? ", " : "", spec->choices[i]);
        break;
    case OPTION_TEXT:
        text_add(&t, "a text");
        break;
    }
    return text_end(&t);
}

struct option_value option_standard(const struct option_spec *spec)
{
    struct option_value v = {.number = spec->standard, .text = spec->standard_text};
    if (spec->type == OPTION_CHOICE)
        v.text = spec->choices[spec->standard];
    return v;
}

int option_read(const struct option_spec *spec, const char *owner, const char *shown,
                const char *json, struct arena *a, struct option_value *ret, struct err *e)
{
    struct option_value v = option_standard(spec);
    if (!value_read(spec, json, a, &v)) {
        struct span bad = trimmed(json, strlen(json));
        (void)err_set(e, ERR_PRECONDITION, "BAD_OPTION",
                      "Option \"%s\" of %s must be %s, not %.*s.", shown, owner,
                      option_expectation(spec, a), (int)(bad.len > 40 ? 40 : bad.len), bad.at);
        return err_meta(e, "option", "%s", shown);
    }
    *ret = v;
    return 0;
}
