/* test_flags.c - options as tables. */
#include <stdbool.h>
#include <string.h>

#include "server/berthctl/flags.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"

struct values {
    bool yes;
    char *text;
    struct list list;
    uint32_t n, limit;
    int32_t i;
    int64_t us;
};

static const struct flag flags[] = {
    FLAG(struct values, yes, BOOL, "yes", NULL, "say yes"),
    FLAG(struct values, text, TEXT, "text", "TEXT", "some text"),
    FLAG(struct values, list, LIST, "list", "ITEM", "some items"),
    FLAG(struct values, n, UINT32, "n", "N", "a number"),
    FLAG(struct values, limit, UINT32, "limit", "N", "a number with a default", .initial = 100),
    FLAG(struct values, i, INT32, "i", "N", "a signed number"),
    FLAG(struct values, us, SECONDS, "time", "S", "a time"),
};

static const struct {
    const char *what, *first, *second /* NULL: end of the line */, *message;
} bad[] = {
    {"an option nobody knows", "--frob", "1", "unknown option --frob"},
    {"the name is compared whole", "--tex=1", NULL, "unknown option --tex"},
    {"no name at all", "--=1", NULL, "unknown option --"},
    {"a value is missing", "--text", NULL, "--text needs a value: --text TEXT"},
    {"an empty text", "--text=", NULL, "--text needs a value that is not empty"},
    {"a switch takes no value", "--yes=1", NULL, "--yes takes no value"},
    {"a negative count", "--n", "-1", "--n takes a whole number, 0 or more, not \"-1\""},
    {"a count with a fraction", "--n", "1.5", "--n takes a whole number, 0 or more, not \"1.5\""},
    {"an empty number", "--n", "", "--n takes a whole number, 0 or more, not \"\""},
    {"a number with a blank before", "--n", " 1",
     "--n takes a whole number, 0 or more, not \" 1\""},
    {"a number with a tail", "--n", "1x", "--n takes a whole number, 0 or more, not \"1x\""},
    {"a count too large", "--n", "4294967296",
     "--n takes a whole number, 0 or more, not \"4294967296\""},
    {"a number past 64 bits", "--i", "99999999999999999999",
     "--i takes a whole number, not \"99999999999999999999\""},
    {"a signed number too small", "--i", "-2147483649",
     "--i takes a whole number, not \"-2147483649\""},
    {"no time at all", "--time", "0", "--time takes seconds greater than 0, like 2.5, not \"0\""},
    {"time backwards", "--time", "-1", "--time takes seconds greater than 0, like 2.5, not \"-1\""},
    {"a time in words", "--time", "1m",
     "--time takes seconds greater than 0, like 2.5, not \"1m\""},
};

START_TEST(flags_take_refuses_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    char *argv[] = {(char *)bad[_i].first, (char *)bad[_i].second};
    struct values v = {0};
    struct flag_set set = {.flags = flags, .n_flags = ARRAY_SIZE(flags), .values = &v};
    struct err e = {0};
    unsigned i = 0;
    int rc = flags_take(&set, 1, a, argv, bad[_i].second == NULL ? 1 : 2, &i, &e);
    ck_assert_msg(rc == -1 && e.code == ERR_INVALID, "%s: was taken", bad[_i].what);
    ck_assert_msg(strcmp(e.message, bad[_i].message) == 0, "%s: %s", bad[_i].what, e.message);
    ck_assert_msg(i == 0, "%s: moved on to %u", bad[_i].what, i);
}
END_TEST

START_TEST(flags_take_reads_a_whole_line)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    char *argv[] = {"--yes", "--text", "--n",    "--text=a=b", "--list",  "one", "--list=",
                    "--n",   "7",      "--i=-3", "--time=2.5", "--limit", "0"};
    unsigned argc = ARRAY_SIZE(argv);
    struct values v = {0};
    struct flag_set sets[] = {{0}, {.flags = flags, .n_flags = ARRAY_SIZE(flags), .values = &v}};
    struct err e = {0};
    unsigned i = 0;

    flags_init(flags, ARRAY_SIZE(flags), &v);
    ck_assert_msg(v.limit == 100, "default of --limit: %u", v.limit);
    while (i < argc)
        ck_assert_msg(flags_take(sets, ARRAY_SIZE(sets), a, argv, argc, &i, &e) == 0,
                      "argument %u: %s", i, e.message);
    ck_assert_msg(v.yes, "--yes");
    ck_assert_msg(strcmp(v.text, "a=b") == 0, "--text, the last one counts: %s", v.text);
    ck_assert_msg(v.list.n == 2 && strcmp(v.list.items[0], "one") == 0 &&
                      strcmp(v.list.items[1], "") == 0,
                  "--list: %zu items", v.list.n);
    ck_assert_msg(v.n == 7, "--n: %u", v.n);
    ck_assert_msg(v.i == -3, "--i: %d", v.i);
    ck_assert_msg(v.us == 2500000, "--time: %lld", (long long)v.us);
    ck_assert_msg(v.limit == 0, "--limit 0: %u", v.limit);
}
END_TEST

START_TEST(flags_help_aligns)
{
    CLEANUP(capture_finish) struct capture c = {0};
    capture_begin(&c);
    flags_help(c.out, flags, 3);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, "  --yes        say yes\n"
                                 "  --text TEXT  some text\n"
                                 "  --list ITEM  some items\n") == 0,
                  "help:\n%s", c.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, flags_take_refuses_as_tabled, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, flags_take_reads_a_whole_line);
    tcase_add_test(tc, flags_help_aligns);
}

int main(void)
{
    return unit_run("berthctl_flags", add_tests);
}
