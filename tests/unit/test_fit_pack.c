/* test_fit_pack.c - numbers in lanes never say no where the numbers say yes; ranks go as keys go.
 */
#include "scheduler/fit_pack.h"
#include "tests/unit/unit.h"

static const struct {
    const char *what;
    int64_t have, need;
    uint32_t lanes; /* the number of numbers, all of them these */
    bool hold;
} cases[] = {
    {"nothing for the least", 0, 1, 3, false},
    {"less than nothing", -1, 1, 3, false},
    {"the least number there is", INT64_MIN, 1, 3, false},
    {"one for one", 1, 1, 3, true},
    {"one for two", 1, 2, 3, false},
    {"equal", 123456789, 123456789, 3, true},
    {"one short, hardly to be seen", 123456788, 123456789, 3, true},
    {"one in a hundred short", 99, 100, 3, false},
    {"a sixteenth short in the narrowest lanes", 15000, 16000, 8, true},
    {"half of it in the narrowest lanes", 8000, 16000, 8, false},
    {"more numbers than lanes", 8000, 16000, 30, false},
    {"infinite for all there is", INT64_MAX, INT64_MAX, 1, true},
    {"half of all there is", INT64_MAX / 2, INT64_MAX, 4, false},
    {"no numbers", 0, 1, 0, true},
};

static uint64_t pack_of(const struct fit_lanes *l, int64_t number)
{
    int64_t numbers[30];
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        numbers[i] = number;
    return fit_lanes_pack(l, numbers);
}

START_TEST(numbers_are_packed_as_tabled)
{
    struct fit_lanes l;
    fit_lanes_init(&l, cases[_i].lanes);
    const uint64_t have = pack_of(&l, cases[_i].have), need = pack_of(&l, cases[_i].need);
    ck_assert_msg((have & l.guards) == 0, "%s: a number reaches into the guard", cases[_i].what);
    ck_assert_msg(fit_lanes_hold(l.guards, have, l.guards - need) == cases[_i].hold, "%s",
                  cases[_i].what);
}
END_TEST

/* Every power of two and its neighbours, in lanes of every width. */
START_TEST(what_holds_a_need_holds_it_packed)
{
    struct fit_lanes l;
    fit_lanes_init(&l, (uint32_t)_i);
    uint64_t before = 0;
    for (uint32_t bit = 0; bit < 63; bit++)
        for (int64_t d = -2; d <= 2; d++) {
            const int64_t v = (INT64_C(1) << bit) + d;
            const uint64_t packed = pack_of(&l, v);
            ck_assert_msg(bit < 3 || fit_lanes_hold(l.guards, packed, l.guards - before),
                          "%u lanes: 2^%u%+d packs below the number before it", l.n, bit, (int)d);
            ck_assert_msg(fit_lanes_most(&l, packed, before) ==
                              (bit < 3 ? fit_lanes_most(&l, before, packed) : packed),
                          "%u lanes: 2^%u%+d is not the larger", l.n, bit, (int)d);
            before = bit < 3 ? 0 : packed;
        }
}
END_TEST

START_TEST(the_larger_is_taken_in_each_lane)
{
    struct fit_lanes l;
    fit_lanes_init(&l, 4);
    const int64_t a[] = {5, 0, 7000, INT64_MAX}, b[] = {4, 9, 7000, -3},
                  most[] = {5, 9, 7000, INT64_MAX};
    const uint64_t x = fit_lanes_pack(&l, a), y = fit_lanes_pack(&l, b);
    ck_assert_msg(fit_lanes_most(&l, x, y) == fit_lanes_pack(&l, most), "a and b");
    ck_assert_msg(fit_lanes_most(&l, y, x) == fit_lanes_pack(&l, most), "b and a");
}
END_TEST

enum { LEN = 4 };

/* What the ranges are learnt from, then keys within and beyond; all in ascending order. */
static const struct {
    const char *what;
    int64_t learnt[2][LEN], keys[6][LEN];
    uint32_t n_keys;
    bool total;
} ranks[] = {
    {"small numbers",
     {{0, 0, 0, 0}, {3, 9, 9, 9}},
     {{0, 0, 0, 1}, {0, 0, 1, 0}, {0, 9, 9, 9}, {1, 0, 0, 0}, {3, 9, 9, 8}, {3, 9, 9, 9}},
     6,
     true},
    {"negative numbers",
     {{-5, -5, -5, -5}, {0, 0, 0, 0}},
     {{-5, -5, -5, -5}, {-5, -5, -5, 0}, {-4, 0, -5, -5}, {0, -1, 0, 0}, {0, 0, 0, 0}},
     5,
     true},
    {"two words",
     {{0, 0, 0, 0}, {INT64_C(1) << 50, 7, INT64_C(1) << 40, 7}},
     {{0, 7, INT64_C(1) << 40, 7}, {1, 0, 0, 0}, {1, 0, 1, 0}, {1, 0, 1, 1}},
     4,
     true},
    {"no room for all",
     {{0, 0, 0, 0}, {INT64_C(1) << 60, INT64_C(1) << 50, INT64_C(1) << 30, 7}},
     {{0, 0, 0, 0}, {0, INT64_C(1) << 50, 0, 0}, {1, 0, 0, 0}},
     3,
     false},
    {"beyond what was learnt, above",
     {{0, 0, 0, 0}, {3, 3, 3, 3}},
     {{3, 3, 3, 3}, {4, 0, 0, 0}},
     2,
     false},
    {"beyond what was learnt, in the last",
     {{0, 0, 0, 0}, {3, 3, 3, 3}},
     {{2, 3, 3, 4}, {3, 0, 0, 0}, {3, 0, 0, INT64_MAX}, {3, 0, 1, 0}},
     4,
     false},
    {"beyond what was learnt, below",
     {{0, 0, 0, 0}, {3, 3, 3, 3}},
     {{INT64_MIN, 3, 3, 3}, {0, 0, 0, 0}, {0, 1, -1, 3}, {0, 1, 0, 0}},
     4,
     false},
    {"infinite from the beginning",
     {{0, 0, 0, 0}, {INT64_MAX, 3, 3, 3}},
     {{0, 3, 3, 3}, {INT64_MAX, 0, 0, 0}},
     2,
     false},
};

START_TEST(ranks_go_as_keys_go)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct fit_ranks r;
    bool total = true;
    fit_rank before = 0;
    fit_ranks_init(&r, &ranks[_i].learnt[0][0], 2, LEN, a);
    for (uint32_t i = 0; i < ranks[_i].n_keys; i++) {
        const fit_rank rank = fit_ranks_of(&r, ranks[_i].keys[i], 1, &total);
        ck_assert_msg(i == 0 || rank > before, "%s: key %u is not above the one before it",
                      ranks[_i].what, i);
        before = rank;
    }
    ck_assert_msg(total == ranks[_i].total, "%s: total is %d", ranks[_i].what, total);
    const fit_rank other = fit_ranks_of(&r, ranks[_i].keys[0], 0, &total);
    const fit_rank first = fit_ranks_of(&r, ranks[_i].keys[0], 1, &total);
    ck_assert_msg(ranks[_i].total ? other < first : other <= first, "%s: the leaf comes last",
                  ranks[_i].what);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, numbers_are_packed_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, what_holds_a_need_holds_it_packed, 0, 12);
    tcase_add_test(tc, the_larger_is_taken_in_each_lane);
    tcase_add_loop_test(tc, ranks_go_as_keys_go, 0, ARRAY_SIZE(ranks));
}

int main(void)
{
    return unit_run("fit_pack", add);
}
