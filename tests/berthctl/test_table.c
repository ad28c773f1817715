/* test_table.c - aligned columns. */
#include <string.h>

#include "server/berthctl/table.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"

static const struct column columns[] = {{"NAME", false}, {"N", true}, {"WHY", false}};

START_TEST(table_aligns_by_what_a_terminal_shows)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    struct table *t = table_create(a, columns, ARRAY_SIZE(columns));
    static const char want[] = "  NAME        N  WHY\n"
                               "  M\u00FCller      7  no room\n"
                               "  \uD559\uC2B5    12345\n"
                               "  a\uFFFD[1m       0  x\n"
                               "\n";

    table_add(t, "%s", "M\u00FCller");
    table_add(t, "%d", 7);
    table_add(t, "%s", "no room");
    table_add(t, "%s", "\uD559\uC2B5");
    table_add(t, "%d", 12345);
    table_add(t, "%s", ""); /* nothing at the end: no spaces either */
    table_add(t, "%s", "a\x1b[1m");
    table_add(t, "%d", 0);
    table_add_styled(t, STYLE_BAD, "x");
    for (int i = 0; i < 3; i++)
        table_add(t, "%s", "");
    capture_begin(&c);
    table_write(t, c.out, 2, false);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, want) == 0, "aligned wrongly:\n%s", c.text);
    ck_assert_msg(table_rows(t) == 4, "rows: %u", table_rows(t));
}
END_TEST

START_TEST(table_colours_cells_without_moving_columns)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    struct table *t = table_create(a, columns, ARRAY_SIZE(columns));
    static const char want[] = "\x1b[2mNAME\x1b[0m  \x1b[2mN\x1b[0m  \x1b[2mWHY\x1b[0m\n"
                               "\x1b[32ma\x1b[0m     1  b\n";

    table_add_styled(t, STYLE_GOOD, "a");
    table_add(t, "%d", 1);
    table_add(t, "b");
    capture_begin(&c);
    table_write(t, c.out, 0, true);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, want) == 0, "coloured wrongly:\n%s", c.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, table_aligns_by_what_a_terminal_shows);
    tcase_add_test(tc, table_colours_cells_without_moving_columns);
}

int main(void)
{
    return unit_run("berthctl_table", add_tests);
}
