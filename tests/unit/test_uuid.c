/* test_uuid.c - text to bytes, bytes to text, and the same order in both. */
#include "scheduler/base.h"
#include "scheduler/uuid.h"
#include "tests/unit/unit.h"

#define GOOD "0123abcd-4567-89ef-0000-fedcba987654"

static const struct {
    const char *what, *text;
    const char *want; /* NULL: refused */
} cases[] = {
    {"empty text", "", NULL},
    {"one character", "0", NULL},
    {"a byte short", "0123abcd-4567-89ef-0000-fedcba9876", NULL},
    {"half a byte short", "0123abcd-4567-89ef-0000-fedcba98765", NULL},
    {"a character more", GOOD "0", NULL},
    {"a space behind", GOOD " ", NULL},
    {"a space before", " " GOOD, NULL},
    {"braces", "{" GOOD "}", NULL},
    {"no dashes", "0123abcd456789ef0000fedcba987654", NULL},
    {"first dash missing", "0123abcd04567-89ef-0000-fedcba98765", NULL},
    {"last dash misplaced", "0123abcd-4567-89ef-00000-edcba987654", NULL},
    {"dash inside a byte", "0-123abcd-4567-89ef-0000-fedcba98765", NULL},
    {"no hex digit, high", "g123abcd-4567-89ef-0000-fedcba987654", NULL},
    {"no hex digit, low", "0g23abcd-4567-89ef-0000-fedcba987654", NULL},
    {"a character just below a digit", "/123abcd-4567-89ef-0000-fedcba987654", NULL},
    {"a character just above a digit", ":123abcd-4567-89ef-0000-fedcba987654", NULL},
    {"a character just below a letter", "@123abcd-4567-89ef-0000-fedcba987654", NULL},
    {"a character just below a small letter", "`123abcd-4567-89ef-0000-fedcba987654", NULL},
    {"G is no digit", "G123abcd-4567-89ef-0000-fedcba987654", NULL},
    {"lower case", GOOD, GOOD},
    {"upper case", "0123ABCD-4567-89EF-0000-FEDCBA987654", GOOD},
    {"all zeros", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"},
    {"all ones", "FFFFFFFF-FFFF-ffff-FFFF-ffffffffffff", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
};

START_TEST(uuid_is_read_and_written_as_tabled)
{
    struct uuid u;
    memset(&u, 0x5A, sizeof(u));
    char text[UUID_TEXT];
    bool ok = uuid_parse(cases[_i].text, &u);
    ck_assert_msg(ok == (cases[_i].want != NULL), "%s: parse gives %d", cases[_i].what, ok);
    const char *want = ok ? cases[_i].want : "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a"; /* untouched */
    ck_assert_msg(strcmp(uuid_format(&u, text), want) == 0, "%s: %s", cases[_i].what, text);
}
END_TEST

START_TEST(uuid_order_is_the_order_of_the_text)
{
    static const char *const texts[] = {
        "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-100000000000", "0fffffff-ffff-ffff-ffff-ffffffffffff",
        "80000000-0000-0000-0000-000000000000", "a0000000-0000-0000-0000-000000000000",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            struct uuid a;
            struct uuid b;
            ck_assert(uuid_parse(texts[i], &a) && uuid_parse(texts[j], &b));
            int text_order = strcmp(texts[i], texts[j]);
            int order = uuid_compare(&a, &b);
            ck_assert_msg((order < 0) == (text_order < 0) && (order > 0) == (text_order > 0),
                          "%s against %s: %d", texts[i], texts[j], order);
        }
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, uuid_is_read_and_written_as_tabled, 0, (int)ARRAY_SIZE(cases));
    tcase_add_test(tc, uuid_order_is_the_order_of_the_text);
}

int main(void)
{
    return unit_run("uuid", add);
}
