/* test_amount.c - amounts are exact, saturate, and say what is wrong with a text. */
#include <stdio.h>
#include <string.h>

#include "scheduler/amount.h"
#include "scheduler/base.h"
#include "tests/unit/unit.h"

#define MAX AMOUNT_MAX
#define G   (INT64_C(1) << 30)

enum { C = SLOT_COUNT, B = SLOT_BYTES };

struct parse_case {
    const char *what, *text;
    int type;
    enum amount_error want;
    int64_t amount;
};

static const struct parse_case plain[] = {
    {"empty", "", C, AMOUNT_UNPARSABLE, 0},
    {"blank", "  ", B, AMOUNT_UNPARSABLE, 0},
    {"a word", "four", C, AMOUNT_UNPARSABLE, 0},
    {"a sign alone", "-", C, AMOUNT_UNPARSABLE, 0},
    {"a point alone", ".", C, AMOUNT_UNPARSABLE, 0},
    {"two points", "1.2.3", C, AMOUNT_UNPARSABLE, 0},
    {"two signs", "--1", C, AMOUNT_UNPARSABLE, 0},
    {"something behind", "1x", C, AMOUNT_UNPARSABLE, 0},
    {"a blank inside", "1 2", C, AMOUNT_UNPARSABLE, 0},
    {"a comma", "1,5", C, AMOUNT_UNPARSABLE, 0},
    {"an underscore", "1_000", C, AMOUNT_UNPARSABLE, 0},
    {"a size", "1g", B, AMOUNT_UNPARSABLE, 0},
    {"hexadecimal", "0x10", C, AMOUNT_UNPARSABLE, 0},
    {"an exponent without digits", "1e", C, AMOUNT_UNPARSABLE, 0},
    {"an exponent with a sign only", "1e+", C, AMOUNT_UNPARSABLE, 0},
    {"an exponent alone", "e3", C, AMOUNT_UNPARSABLE, 0},
    {"a fractional exponent", "1e1.5", C, AMOUNT_UNPARSABLE, 0},
    {"a JSON literal", "null", C, AMOUNT_UNPARSABLE, 0},
    {"quotes", "\"1\"", C, AMOUNT_UNPARSABLE, 0},
    {"NaN", "NaN", C, AMOUNT_NAN, 0},
    {"signed NaN", "-nan", B, AMOUNT_NAN, 0},
    {"signalling NaN", "sNaN", C, AMOUNT_NAN, 0},
    {"NaN with a tail", "nan1", C, AMOUNT_UNPARSABLE, 0},
    {"infinity", "Infinity", C, AMOUNT_INFINITE, 0},
    {"inf", "+inf", B, AMOUNT_INFINITE, 0},
    {"infinite", "infinite", C, AMOUNT_INFINITE, 0},
    {"minus infinity", "-Infinity", C, AMOUNT_NEGATIVE, 0},
    {"negative", "-1", C, AMOUNT_NEGATIVE, 0},
    {"negative bytes", "-1", B, AMOUNT_NEGATIVE, 0},
    {"negative below one", "-0.5", B, AMOUNT_NEGATIVE, 0},
    {"negative that would round to 0", "-0.0000001", C, AMOUNT_NEGATIVE, 0},
    {"half a byte", "0.5", B, AMOUNT_FRACTIONAL_BYTES, 0},
    {"a fraction far behind", "1.000000000000000000001", B, AMOUNT_FRACTIONAL_BYTES, 0},
    {"a fraction by exponent", "1e-1", B, AMOUNT_FRACTIONAL_BYTES, 0},
    {"a fraction beyond the range", "99999999999999999999.5", B, AMOUNT_FRACTIONAL_BYTES, 0},

    {"zero", "0", C, AMOUNT_OK, 0},
    {"minus zero", "-0.0", B, AMOUNT_OK, 0},
    {"one", "1", C, AMOUNT_OK, 1000000},
    {"plus one", "+1", B, AMOUNT_OK, 1},
    {"one with decimals", "1.0", B, AMOUNT_OK, 1},
    {"as NUMERIC(24,6) prints it", "17179869184.000000", B, AMOUNT_OK, 16 * G},
    {"no digit before the point", ".5", C, AMOUNT_OK, 500000},
    {"no digit behind the point", "5.", C, AMOUNT_OK, 5000000},
    {"leading zeros", "000012", C, AMOUNT_OK, 12000000},
    {"blanks around", " \t12\n", C, AMOUNT_OK, 12000000},
    {"a share", "0.5000", C, AMOUNT_OK, 500000},
    {"4 decimals are kept", "1.2346", C, AMOUNT_OK, 1234600},
    {"5 decimals are kept", "1.23456", C, AMOUNT_OK, 1234560},
    {"0.0005 is kept", "0.0005", C, AMOUNT_OK, 500},
    {"0.0015 is kept", "0.0015", C, AMOUNT_OK, 1500},
    {"6 decimals are kept", "0.000001", C, AMOUNT_OK, 1},
    {"a half rounds down to even", "0.0000005", C, AMOUNT_OK, 0},
    {"a half rounds up to even", "0.0000015", C, AMOUNT_OK, 2},
    {"the next half rounds down to even", "0.0000025", C, AMOUNT_OK, 2},
    {"a little above a half rounds up", "0.00000050000000000000000001", C, AMOUNT_OK, 1},
    {"a little below a half rounds down", "0.00000149999999999999999999", C, AMOUNT_OK, 1},
    {"six decimals round over", "0.9999999", C, AMOUNT_OK, 1000000},
    {"an exponent", "1e3", C, AMOUNT_OK, 1000000000},
    {"bytes with an exponent", "1e3", B, AMOUNT_OK, 1000},
    {"an exponent makes bytes whole", "1.5E+3", B, AMOUNT_OK, 1500},
    {"a negative exponent", "15e-1", C, AMOUNT_OK, 1500000},
    {"a negative exponent that leaves whole bytes", "1500e-2", B, AMOUNT_OK, 15},
    {"an exponent below the unit", "1e-7", C, AMOUNT_OK, 0},
    {"an exponent far below the unit", "1e-999999999999999999999", C, AMOUNT_OK, 0},
    {"zero with a huge exponent", "0e999999999999999999999", B, AMOUNT_OK, 0},
    {"a huge exponent saturates", "1e999999999999999999999", B, AMOUNT_OK, MAX},
    {"many zeros and an exponent", "0.00000000000000000000000000004e29", B, AMOUNT_OK, 4},
    {"the largest bytes", "9223372036854775806", B, AMOUNT_OK, MAX},
    {"one more saturates", "9223372036854775807", B, AMOUNT_OK, MAX},
    {"ten times more saturates", "92233720368547758060", B, AMOUNT_OK, MAX},
    {"just below", "9223372036854775805", B, AMOUNT_OK, MAX - 1},
    {"the largest count", "9223372036854.775806", C, AMOUNT_OK, MAX},
    {"the largest count rounds and saturates", "9223372036854.7758069", C, AMOUNT_OK, MAX},
    {"a large count saturates", "9223372036855", C, AMOUNT_OK, MAX},
    {"NUMERIC(24,6) at its end saturates", "999999999999999999.999999", C, AMOUNT_OK, MAX},
};

static const struct parse_case limits[] = {
    {"empty", "", B, AMOUNT_UNPARSABLE, 0},
    {"empty count", "", C, AMOUNT_UNPARSABLE, 0},
    {"blank", " ", B, AMOUNT_UNPARSABLE, 0},
    {"a scale alone", "k", B, AMOUNT_UNPARSABLE, 0},
    {"an underscore alone", "_", B, AMOUNT_UNPARSABLE, 0},
    {"an ending without a scale", "2048b", B, AMOUNT_UNPARSABLE, 0},
    {"a long ending without a scale", "2048bytes", B, AMOUNT_UNPARSABLE, 0},
    {"an unknown scale", "1x", B, AMOUNT_UNPARSABLE, 0},
    {"an unknown ending", "1kx", B, AMOUNT_UNPARSABLE, 0},
    {"half an ending", "1ki", B, AMOUNT_UNPARSABLE, 0},
    {"two scales", "1kk", B, AMOUNT_UNPARSABLE, 0},
    {"a blank within the unit", "1 k b", B, AMOUNT_UNPARSABLE, 0},
    {"an exponent and a scale", "1e3k", B, AMOUNT_UNPARSABLE, 0},
    {"two points", "1.2.3k", B, AMOUNT_UNPARSABLE, 0},
    {"a size of a count", "1k", C, AMOUNT_UNPARSABLE, 0},
    {"infinity with a unit", "infb", B, AMOUNT_UNPARSABLE, 0},
    {"half a byte", "0.5", B, AMOUNT_FRACTIONAL_BYTES, 0},
    {"half a byte, spelt out", "1.5 bytes", B, AMOUNT_FRACTIONAL_BYTES, 0},
    {"bytes take no exponent", "1e3", B, AMOUNT_FRACTIONAL_BYTES, 0},
    {"negative", "-5", B, AMOUNT_NEGATIVE, 0},
    {"negative size", "-5g", B, AMOUNT_NEGATIVE, 0},
    {"negative size below a byte", "-0.00000001k", B, AMOUNT_NEGATIVE, 0},
    {"negative count", "-5", C, AMOUNT_NEGATIVE, 0},
    {"minus infinity", "-inf", B, AMOUNT_NEGATIVE, 0},
    {"minus infinity of a count", "-inf", C, AMOUNT_NEGATIVE, 0},
    {"NaN", "nan", B, AMOUNT_NAN, 0},
    {"NaN of a count", "NaN", C, AMOUNT_NAN, 0},

    {"inf", "inf", B, AMOUNT_OK, AMOUNT_INF},
    {"infinite", "Infinite", B, AMOUNT_OK, AMOUNT_INF},
    {"infinity", "INFINITY", C, AMOUNT_OK, AMOUNT_INF},
    {"infinity with blanks", " inf ", C, AMOUNT_OK, AMOUNT_INF},
    {"plain", "1024", B, AMOUNT_OK, 1024},
    {"whole with decimals", "1024.000", B, AMOUNT_OK, 1024},
    {"underscores", "1_024", B, AMOUNT_OK, 1024},
    {"underscores and a scale", "1_0.5_0k", B, AMOUNT_OK, 10752},
    {"underscores in a count", "1_000.5", C, AMOUNT_OK, 1000500000},
    {"a count with an exponent", "1e3", C, AMOUNT_OK, 1000000000},
    {"a count", "8", C, AMOUNT_OK, 8000000},
    {"1.5g", "1.5g", B, AMOUNT_OK, INT64_C(1610612736)},
    {"2GiB", "2GiB", B, AMOUNT_OK, 2 * G},
    {"1 KB", "1 KB", B, AMOUNT_OK, 1024},
    {"64g", "64g", B, AMOUNT_OK, 64 * G},
    {"1.5 GiB", "1.5 GiB", B, AMOUNT_OK, INT64_C(1610612736)},
    {"bytes spelt out", "100 bytes", B, AMOUNT_OK, 100},
    {"one byte", "1 byte", B, AMOUNT_OK, 1},
    {"b behind a blank", "7 b", B, AMOUNT_OK, 7},
    {"ib behind a blank", "7 ib", B, AMOUNT_OK, 7},
    {"kibytes", "1Kibytes", B, AMOUNT_OK, 1024},
    {"mibyte", "1Mibyte", B, AMOUNT_OK, 1048576},
    {"kbyte, many blanks", "1   kbyte", B, AMOUNT_OK, 1024},
    {"tera", "1t", B, AMOUNT_OK, INT64_C(1) << 40},
    {"peta", "1p", B, AMOUNT_OK, INT64_C(1) << 50},
    {"exa", "1e", B, AMOUNT_OK, INT64_C(1) << 60},
    {"exa, bytes", "1eb", B, AMOUNT_OK, INT64_C(1) << 60},
    {"eight exa saturate", "8e", B, AMOUNT_OK, MAX},
    {"zetta saturates", "1z", B, AMOUNT_OK, MAX},
    {"yotta saturates", "1y", B, AMOUNT_OK, MAX},
    {"a small part of a yotta", "0.000001y", B, AMOUNT_OK, INT64_C(1208925819614629174)},
    {"zero of a scale", "0k", B, AMOUNT_OK, 0},
    {"minus zero of a scale", "-0.0k", B, AMOUNT_OK, 0},
    {"no digit before the point", ".5k", B, AMOUNT_OK, 512},
    {"no digit behind the point", "5.k", B, AMOUNT_OK, 5120},
    {"what is left below a byte is cut off", "1.3k", B, AMOUNT_OK, 1331},
    {"exactly one byte", "0.0009765625k", B, AMOUNT_OK, 1},
    {"a little less than a byte", "0.0009765624999999999999999999999999k", B, AMOUNT_OK, 0},
    {"decimals beyond the scale's", "1.00000000000000000000000000000000000001k", B, AMOUNT_OK,
     1024},
    {"a number too large before its scale", "99999999999999999999k", B, AMOUNT_OK, MAX},
};

static void check_parse(const struct parse_case *c, bool limit)
{
    enum { UNTOUCHED = -77 };
    int64_t amount = UNTOUCHED;
    size_t len = strlen(c->text);
    char *exact = malloc(len > 0 ? len : 1); /* no NUL behind it: ASan sees a read too far */
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, c->text, len);
    enum slot_type type = (enum slot_type)c->type;
    enum amount_error why = limit ? amount_parse_limit(exact, len, type, &amount)
                                  : amount_parse(exact, len, type, &amount);
    free(exact);
    ck_assert_msg(why == c->want, "%s: \"%s\" %s", c->what, c->text, amount_problem(why));
    int64_t want = why == AMOUNT_OK ? c->amount : UNTOUCHED;
    ck_assert_msg(amount == want, "%s: \"%s\" gives %lld", c->what, c->text, (long long)amount);
}

START_TEST(amount_parse_reads_as_tabled)
{
    check_parse(&plain[_i], false);
}
END_TEST

START_TEST(amount_parse_limit_reads_as_tabled)
{
    check_parse(&limits[_i], true);
}
END_TEST

START_TEST(amount_parse_takes_any_bytes)
{
    int64_t amount = 5;
    ck_assert_int_eq(amount_parse(NULL, 0, SLOT_COUNT, &amount), AMOUNT_UNPARSABLE);
    ck_assert_int_eq(amount_parse_limit(NULL, 0, SLOT_BYTES, &amount), AMOUNT_UNPARSABLE);
    ck_assert_int_eq(amount_parse("1\0", 2, SLOT_COUNT, &amount), AMOUNT_UNPARSABLE);
    ck_assert_int_eq(amount_parse("\0001", 2, SLOT_COUNT, &amount), AMOUNT_UNPARSABLE);
    ck_assert_int_eq(amount_parse_limit("1k\0", 3, SLOT_BYTES, &amount), AMOUNT_UNPARSABLE);
    ck_assert_int_eq(amount_parse("12", 1, SLOT_BYTES, &amount), AMOUNT_OK);
    ck_assert_int_eq(amount, 1);
}
END_TEST

START_TEST(amount_parse_survives_a_very_long_text)
{
    enum { LONG = 100000 };
    static char text[LONG + 1];
    int64_t amount = 0;
    memset(text, '9', LONG);
    ck_assert_int_eq(amount_parse(text, LONG, SLOT_COUNT, &amount), AMOUNT_OK);
    ck_assert_int_eq(amount, MAX);
    memset(text, '0', LONG);
    text[1] = '.';
    snprintf(text + LONG - 7, 8, "%s", "1e99992");
    /* 0.<99991 zeros>1e99992 */
    ck_assert_int_eq(amount_parse(text, LONG, SLOT_BYTES, &amount), AMOUNT_OK);
    ck_assert_int_eq(amount, 1);
}
END_TEST

static const struct {
    const char *what;
    int64_t amount;
    int type;
    const char *plain, *human;
} texts[] = {
    {"unknown count", AMOUNT_UNKNOWN, C, "", ""},
    {"unknown bytes", AMOUNT_UNKNOWN, B, "", ""},
    {"infinite count", AMOUNT_INF, C, "Infinity", "Infinity"},
    {"infinite bytes", AMOUNT_INF, B, "Infinity", "Infinity"},
    {"zero count", 0, C, "0", "0"},
    {"zero bytes", 0, B, "0", "0"},
    {"ten", 10000000, C, "10", "10"},
    {"a half", 500000, C, "0.5", "0.5"},
    {"one and a half", 1500000, C, "1.5", "1.5"},
    {"a millionth", 1, C, "0.000001", "0.000001"},
    {"a zero inside the decimals", 1050000, C, "1.05", "1.05"},
    {"negative count", -500000, C, "-0.5", "-0.5"},
    {"largest count", MAX, C, "9223372036854.775806", "9223372036854.775806"},
    {"smallest count", AMOUNT_MIN, C, "-9223372036854.775806", "-9223372036854.775806"},
    {"16 GiB", 16 * G, B, "17179869184", "16g"},
    {"2 GiB", INT64_C(2147483648), B, "2147483648", "2g"},
    {"3.5 GiB", INT64_C(3758096384), B, "3758096384", "3.5g"},
    {"1234567 bytes", 1234567, B, "1234567", "1.18m"},
    {"1536 bytes", 1536, B, "1536", "1.5k"},
    {"1023 bytes", 1023, B, "1023", "1023"},
    {"one byte", 1, B, "1", "1"},
    {"1024 bytes", 1024, B, "1024", "1k"},
    {"a hundredth keeps its zero", 1034, B, "1034", "1.01k"},
    {"decimals round up to the next scale's edge", 1048575, B, "1048575", "1024k"},
    {"0.125 rounds to 0.12", 1024 + 128, B, "1152", "1.12k"},
    {"0.375 rounds to 0.38", 1024 + 384, B, "1408", "1.38k"},
    {"tera", INT64_C(1) << 40, B, "1099511627776", "1t"},
    {"peta", INT64_C(3) << 49, B, "1688849860263936", "1.5p"},
    {"exa", INT64_C(1) << 60, B, "1152921504606846976", "1e"},
    {"largest bytes", MAX, B, "9223372036854775806", "8e"},
    {"negative bytes", -2048, B, "-2048", "-2k"},
    {"smallest bytes", AMOUNT_MIN, B, "-9223372036854775806", "-8e"},
};

START_TEST(amount_is_written_as_tabled)
{
    char text[AMOUNT_TEXT];
    enum slot_type type = (enum slot_type)texts[_i].type;
    ck_assert_msg(strcmp(amount_format(texts[_i].amount, type, text), texts[_i].plain) == 0,
                  "%s: plain is \"%s\"", texts[_i].what, text);
    ck_assert_msg(strcmp(amount_humanize(texts[_i].amount, type, text), texts[_i].human) == 0,
                  "%s: for people it is \"%s\"", texts[_i].what, text);
}
END_TEST

/* What is written is read back the same; sizes of whole scales too. */
START_TEST(amount_survives_being_written_and_read)
{
    for (int shift = 0; shift < 63; shift++) {
        for (int64_t off = -2; off <= 2; off++) {
            int64_t v = (INT64_C(1) << shift) + off;
            for (int type = SLOT_COUNT; v >= 0 && type <= SLOT_BYTES; type++) {
                char text[AMOUNT_TEXT];
                int64_t back = -1;
                amount_format(v, (enum slot_type)type, text);
                enum amount_error why =
                    amount_parse_limit(text, strlen(text), (enum slot_type)type, &back);
                ck_assert_msg(why == AMOUNT_OK && back == v, "%s comes back as %lld (%s)", text,
                              (long long)back, amount_problem(why));
            }
        }
        char text[AMOUNT_TEXT];
        int64_t back = -1;
        amount_humanize(INT64_C(1) << shift, SLOT_BYTES, text);
        ck_assert_int_eq(amount_parse_limit(text, strlen(text), SLOT_BYTES, &back), AMOUNT_OK);
        ck_assert_msg(back == INT64_C(1) << shift, "%s comes back as %lld", text, (long long)back);
    }
}
END_TEST

static const struct {
    const char *what;
    int64_t a, b, sum, difference;
} arithmetic[] = {
    {"infinity and one", AMOUNT_INF, 1, AMOUNT_INF, AMOUNT_INF},
    {"infinity and infinity", AMOUNT_INF, AMOUNT_INF, AMOUNT_INF, AMOUNT_INF},
    {"infinity and a negative", AMOUNT_INF, -5, AMOUNT_INF, AMOUNT_INF},
    {"one and infinity", 1, AMOUNT_INF, AMOUNT_INF, AMOUNT_MIN},
    {"the largest and one", MAX, 1, MAX, MAX - 1},
    {"the largest and the largest", MAX, MAX, MAX, 0},
    {"the largest and minus one", MAX, -1, MAX - 1, MAX},
    {"the largest and the smallest", MAX, AMOUNT_MIN, 0, MAX},
    {"the smallest and one", AMOUNT_MIN, 1, AMOUNT_MIN + 1, AMOUNT_MIN},
    {"the smallest and minus one", AMOUNT_MIN, -1, AMOUNT_MIN, AMOUNT_MIN + 1},
    {"the smallest and the smallest", AMOUNT_MIN, AMOUNT_MIN, AMOUNT_MIN, 0},
    {"the smallest and the largest", AMOUNT_MIN, MAX, 0, AMOUNT_MIN},
    {"two and three", 2, 3, 5, -1},
    {"zero and one", 0, 1, 1, -1},
};

START_TEST(amount_arithmetic_saturates_as_tabled)
{
    int64_t sum = amount_add(arithmetic[_i].a, arithmetic[_i].b);
    int64_t back = amount_add(arithmetic[_i].b, arithmetic[_i].a);
    int64_t difference = amount_sub(arithmetic[_i].a, arithmetic[_i].b);
    ck_assert_msg(sum == arithmetic[_i].sum, "%s: sum %lld", arithmetic[_i].what, (long long)sum);
    ck_assert_msg(back == sum, "%s: the other way round %lld", arithmetic[_i].what,
                  (long long)back);
    ck_assert_msg(difference == arithmetic[_i].difference, "%s: difference %lld",
                  arithmetic[_i].what, (long long)difference);
}
END_TEST

static const struct {
    const char *text;
    int type;
    bool known;
} types[] = {
    {NULL, C, false},   {"", C, false},     {"Bytes", C, false}, {"gadget", C, false},
    {"count", C, true}, {"bytes", B, true}, {"unique", C, true}, {"unified", C, true},
};

START_TEST(slot_type_is_read_as_tabled)
{
    const char *name = types[_i].text != NULL ? types[_i].text : "NULL";
    bool known = !types[_i].known;
    ck_assert_msg((int)slot_type_parse(types[_i].text, &known) == types[_i].type, "type %s", name);
    ck_assert_msg(known == types[_i].known, "type %s: known %d", name, known);
    ck_assert_msg((int)slot_type_parse(types[_i].text, NULL) == types[_i].type, "type %s", name);
}
END_TEST

START_TEST(amount_problem_has_words_for_each)
{
    for (int why = AMOUNT_OK; why <= AMOUNT_INFINITE; why++)
        ck_assert_ptr_nonnull(strstr(amount_problem((enum amount_error)why), " "));
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, amount_parse_reads_as_tabled, 0, (int)ARRAY_SIZE(plain));
    tcase_add_loop_test(tc, amount_parse_limit_reads_as_tabled, 0, (int)ARRAY_SIZE(limits));
    tcase_add_test(tc, amount_parse_takes_any_bytes);
    tcase_add_test(tc, amount_parse_survives_a_very_long_text);
    tcase_add_loop_test(tc, amount_is_written_as_tabled, 0, (int)ARRAY_SIZE(texts));
    tcase_add_test(tc, amount_survives_being_written_and_read);
    tcase_add_loop_test(tc, amount_arithmetic_saturates_as_tabled, 0, (int)ARRAY_SIZE(arithmetic));
    tcase_add_loop_test(tc, slot_type_is_read_as_tabled, 0, (int)ARRAY_SIZE(types));
    tcase_add_test(tc, amount_problem_has_words_for_each);
}

int main(void)
{
    return unit_run("amount", add);
}
