/* test_owner_usage.c - usage of owners that cannot be counted: which row says so. */
#include <stdio.h>
#include <string.h>

#include "tests/repo/world.h"

/* s1 waits, six sessions of its owners run; the SQL then spoils rows of theirs. */
static const char running[] =
    "SELECT t.hostile(); SELECT t.session('s1', 1, 0); SELECT t.session('r' || i, 1, 1024), "
    "t.place('r' || i, 'a1', 'RUNNING') FROM generate_series(1, 6) i; ";

#define ROW(slot) "WHERE slot_name = '" slot "' AND kernel_id = "
#define FIRST     "(SELECT id FROM kernels WHERE status = 'RUNNING' ORDER BY id LIMIT 1)"
#define LAST      "(SELECT id FROM kernels WHERE status = 'RUNNING' ORDER BY id DESC LIMIT 1)"

static const struct {
    const char *what, *sql;
    const char *kernel; /* whose row is named; NULL: none is */
    const char *says;   /* of each kind of owner */
} spoiled[] = {
    {"the last row is none", "UPDATE resource_allocations SET used = 'NaN' " ROW("cpu") LAST, LAST,
     "cpu): used is not a number."},
    {"the last row is negative", "UPDATE resource_allocations SET used = -2 " ROW("cpu") LAST, LAST,
     "cpu): used is negative."},
    {"the last row is NULL",
     "UPDATE resource_allocations SET used = NULL, requested = NULL " ROW("mem") LAST, LAST,
     "mem): requested is NULL."},
    {"all rows are none: the first is named",
     "UPDATE resource_allocations SET used = 'NaN' WHERE kernel_id IN (SELECT id FROM kernels "
     "WHERE status = 'RUNNING')",
     FIRST, "cpu): used is not a number."},
    {"half a byte", "UPDATE resource_allocations SET used = 0.5 " ROW("mem") LAST, NULL,
     "resource_allocations: the sum of used or requested of slot mem is not a whole number of "
     "bytes."},
};

START_TEST(owners_name_the_row_that_cannot_be_counted)
{
    const char *what = spoiled[_i].what;
    CLEANUP(world_close) struct world w = world_open(running);
    char sql[200], kernel[UUID_TEXT] = "";
    world_do(&w.d, spoiled[_i].sql);
    w.s = world_load(w.c, "g1", w.a);
    if (spoiled[_i].kernel != NULL) {
        (void)snprintf(sql, sizeof(sql), "SELECT %s", spoiled[_i].kernel);
        db_text(&w.d, sql, kernel, sizeof(kernel));
    }
    for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
        const char *bad = world_owner(w.s, "s1", (enum owner_kind)kind)->bad_data;
        ck_assert_msg(bad != NULL, "%s: an owner of kind %d can be counted", what, kind);
        ck_assert_msg(strstr(bad, kernel) != NULL && strstr(bad, spoiled[_i].says) != NULL,
                      "%s: an owner of kind %d says %s", what, kind, bad);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("owner_usage");
    TCase *tc = tcase_create("owner_usage");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, owners_name_the_row_that_cannot_be_counted, 0, ARRAY_SIZE(spoiled));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
