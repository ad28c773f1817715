/* test_text.c - what may reach a terminal, and how wide it is. */
#include <string.h>

#include "server/berthctl/text.h"
#include "tests/unit/unit.h"

static const struct {
    const char *what, *text, *clean;
    unsigned width; /* of clean */
} texts[] = {
    {"an escape sequence loses its escape", "\x1b[31mred", "\uFFFD[31mred", 8},
    {"a C1 control is replaced",
     "a\xC2\x9B"
     "31m",
     "a\uFFFD31m", 5},
    {"DEL is replaced", "a\x7F", "a\uFFFD", 2},
    {"a right-to-left mark is replaced", "a\u200Fb", "a\uFFFDb", 3},
    {"a line break is a space", "a\nb\r\tc", "a b  c", 6},
    {"a lone continuation byte is replaced", "a\x80z", "a\uFFFDz", 3},
    {"an overlong slash is replaced", "\xC0\xAF", "\uFFFD\uFFFD", 2},
    {"a surrogate is replaced, byte by byte", "\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD", 3},
    {"a code point past the last is replaced", "\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD", 4},
    {"a sequence that is cut off is replaced", "a\xE2\x82", "a\uFFFD\uFFFD", 3},
    {"a lead byte of five is replaced", "\xF8\x88", "\uFFFD\uFFFD", 2},
    {"empty stays empty", "", "", 0},
    {"ASCII is as wide as it is long", "cpu 4", "cpu 4", 5},
    {"an umlaut is one wide", "M\u00FCller", "M\u00FCller", 6},
    {"a combining mark adds nothing", "u\u0308", "u\u0308", 1},
    {"Hangul is two wide", "\uD559\uC2B5", "\uD559\uC2B5", 4},
    {"an emoji is two wide", "\U0001F680", "\U0001F680", 2},
};

START_TEST(text_cleans_and_measures_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *clean = text_clean(a, texts[_i].text);
    ck_assert_msg(strcmp(clean, texts[_i].clean) == 0, "%s: \"%s\"", texts[_i].what, clean);
    ck_assert_msg(text_width(clean) == texts[_i].width, "%s: width %u, not %u", texts[_i].what,
                  text_width(clean), texts[_i].width);
}
END_TEST

START_TEST(text_grows_by_pieces_of_any_size)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct text t = {.arena = a};
    size_t n = 0;
    ck_assert_msg(strcmp(text_chars(&t), "") == 0, "before the first piece: \"%s\"",
                  text_chars(&t));
    for (int i = 0; i < 1000; i++) {
        text_addf(&t, "%d,", i);
        text_add_clean(&t, i % 2 ? "x" : NULL);
        n = strlen(text_chars(&t));
        ck_assert_msg(n == t.n, "after piece %d: length %zu, counted %zu", i, n, t.n);
    }
    ck_assert_msg(n == 3890 + 500, "length at the end: %zu", n);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, text_cleans_and_measures_as_tabled, 0, ARRAY_SIZE(texts));
    tcase_add_test(tc, text_grows_by_pieces_of_any_size);
}

int main(void)
{
    return unit_run("berthctl_text", add_tests);
}
