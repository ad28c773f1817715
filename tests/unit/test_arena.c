/* test_arena.c - memory is zero, aligned, apart, and gone when it should be. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/arena.h"
#include "tests/unit/unit.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>

/* The tests that run out of memory want the abort, not the sanitizer's report. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

enum { LARGE_PIECE = 300 * 1024 };

static int is_zero(const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++)
        if (b[i] != 0)
            return 0;
    return 1;
}

START_TEST(arena_aborts_when_a_size_overflows)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    arena_alloc(a, SIZE_MAX / 2, 3);
}
END_TEST

START_TEST(arena_aborts_when_the_chunk_header_overflows)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    arena_alloc(a, 1, SIZE_MAX);
}
END_TEST

START_TEST(arena_aborts_when_memory_is_out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    arena_alloc(a, 1, SIZE_MAX / 4);
}
END_TEST

START_TEST(arena_aborts_when_a_table_cannot_grow)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    size_t cap = SIZE_MAX / 2 + 1;
    char piece[1] = {0};
    arena_grow(a, piece, &cap, cap + 1, 16);
}
END_TEST

START_TEST(arena_destroy_takes_null)
{
    arena_destroy(NULL);
}
END_TEST

static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, 16384, 102400, LARGE_PIECE};

START_TEST(arena_gives_zeroed_aligned_pieces_after_a_reset_too)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            unsigned char *p = arena_new(a, unsigned char, sizes[i]);
            ck_assert_msg(p != NULL, "piece of %zu is NULL", sizes[i]);
            ck_assert_msg((uintptr_t)p % 16 == 0, "piece of %zu is not aligned", sizes[i]);
            ck_assert_msg(is_zero(p, sizes[i]), "turn %d: piece of %zu is not zero", turn,
                          sizes[i]);
            memset(p, 0xAB, sizes[i]);
        }
        arena_reset(a);
    }
}
END_TEST

START_TEST(arena_keeps_pieces_apart)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    enum { N = 2000 };
    unsigned char *p[N];
    for (int i = 0; i < N; i++) {
        p[i] = arena_new(a, unsigned char, (size_t)(i % 97));
        memset(p[i], i & 255, (size_t)(i % 97));
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i % 97; j++)
            ck_assert_msg(p[i][j] == (i & 255), "piece %d was overwritten at %d", i, j);
}
END_TEST

START_TEST(arena_counts_what_it_handed_out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    ck_assert_uint_eq(arena_used(a), 0);
    arena_alloc(a, 10, 10);
    arena_strdup(a, "abc");
    ck_assert_uint_eq(arena_used(a), 104);
    void *large = arena_alloc(a, 1, LARGE_PIECE);
    ck_assert_uint_eq(arena_used(a), 104 + LARGE_PIECE);
    arena_release(a, large, LARGE_PIECE);
    ck_assert_uint_eq(arena_used(a), 104);
    arena_reset(a);
    ck_assert_uint_eq(arena_used(a), 0);
}
END_TEST

START_TEST(arena_release_takes_large_pieces_in_any_order)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    arena_release(a, NULL, LARGE_PIECE);
    void *small = arena_alloc(a, 1, 10);
    arena_release(a, small, 10);
    void *p[4];
    for (size_t i = 0; i < ARRAY_SIZE(p); i++)
        p[i] = arena_alloc(a, 1, LARGE_PIECE);
    static const int order[] = {1, 3, 0, 2}; /* middle, newest, oldest, last */
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        arena_release(a, p[order[i]], LARGE_PIECE);
    ck_assert_uint_eq(arena_used(a), 10);
}
END_TEST

START_TEST(arena_copies_text_and_bytes)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    ck_assert_ptr_null(arena_strdup(a, NULL));
    ck_assert_ptr_null(arena_strndup(a, NULL, 5));
    ck_assert_str_eq(arena_strdup(a, ""), "");
    ck_assert_str_eq(arena_strdup(a, "agent-1"), "agent-1");
    ck_assert_str_eq(arena_strndup(a, "agent-1", 5), "agent");
    ck_assert_str_eq(arena_strndup(a, "ag", 5), "ag");
    ck_assert_str_eq(arena_printf(a, "%s=%d", "cpu", 4), "cpu=4");
    ck_assert_mem_eq(arena_memdup(a, "a\0b", 3), "a\0b", 3);
    ck_assert_ptr_nonnull(arena_memdup(a, NULL, 0));
    char *longer = arena_printf(a, "%0200000d", 7);
    ck_assert_uint_eq(strlen(longer), 200000);
}
END_TEST

START_TEST(arena_aborts_when_a_text_cannot_be_formatted)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const wchar_t bad[] = {0x7FFFFFFF, 0}; /* no character: vsnprintf fails */
    arena_printf(a, "%ls", bad);
}
END_TEST

START_TEST(arena_grow_keeps_the_old_elements_and_zeroes_the_new)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    uint32_t *table = NULL;
    size_t cap = 0;
    for (uint32_t n = 0; n < 200000; n++) { /* passes from small pieces to large ones */
        uint32_t *grown = arena_grow(a, table, &cap, n + 1, sizeof(*table));
        ck_assert_msg(grown == table || is_zero(grown + n, (cap - n) * sizeof(*table)),
                      "new elements from %u on are not zero", n);
        table = grown;
        table[n] = n;
    }
    for (uint32_t n = 0; n < 200000; n++)
        ck_assert_msg(table[n] == n, "element %u is %u", n, table[n]);
    ck_assert_msg(arena_used(a) < 2 * cap * sizeof(*table), "old large tables were not given back");
    size_t before = cap;
    ck_assert_ptr_eq(arena_grow(a, table, &cap, before, sizeof(*table)), table);
    ck_assert_uint_eq(cap, before);
}
END_TEST

START_TEST(arena_grow_reaches_what_is_needed_in_one_step)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    size_t cap = 0;
    void *p = arena_grow(a, NULL, &cap, 0, 4);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_ge(cap, 1);
    p = arena_grow(a, p, &cap, 1000, 4);
    ck_assert_uint_eq(cap, 1000);
    ck_assert(is_zero(p, 4000));
}
END_TEST

#ifdef UNDER_ASAN
static const struct {
    const char *what;
    size_t size;
} poisoned[] = {
    {"behind a piece of 10 bytes", 10},
    {"behind a piece of 16 bytes", 16},
    {"behind a large piece", LARGE_PIECE},
};

START_TEST(arena_poisons_what_is_not_handed_out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    char *p = arena_alloc(a, 1, poisoned[_i].size);
    ck_assert_msg(!__asan_address_is_poisoned(p + poisoned[_i].size - 1), "%s: last byte",
                  poisoned[_i].what);
    ck_assert_msg(__asan_address_is_poisoned(p + poisoned[_i].size), "%s", poisoned[_i].what);
    arena_alloc(a, 1, 1);
    ck_assert_msg(__asan_address_is_poisoned(p + poisoned[_i].size), "%s: next piece touches it",
                  poisoned[_i].what);
    arena_reset(a);
    ck_assert_msg(__asan_address_is_poisoned(p), "%s: after the reset", poisoned[_i].what);
}
END_TEST
#endif

static void add(TCase *tc)
{
    tcase_add_test_raise_signal(tc, arena_aborts_when_a_size_overflows, SIGABRT);
    tcase_add_test_raise_signal(tc, arena_aborts_when_the_chunk_header_overflows, SIGABRT);
    tcase_add_test_raise_signal(tc, arena_aborts_when_memory_is_out, SIGABRT);
    tcase_add_test_raise_signal(tc, arena_aborts_when_a_table_cannot_grow, SIGABRT);
    tcase_add_test_raise_signal(tc, arena_aborts_when_a_text_cannot_be_formatted, SIGABRT);
    tcase_add_test(tc, arena_destroy_takes_null);
    tcase_add_test(tc, arena_gives_zeroed_aligned_pieces_after_a_reset_too);
    tcase_add_test(tc, arena_keeps_pieces_apart);
    tcase_add_test(tc, arena_counts_what_it_handed_out);
    tcase_add_test(tc, arena_release_takes_large_pieces_in_any_order);
    tcase_add_test(tc, arena_copies_text_and_bytes);
    tcase_add_test(tc, arena_grow_keeps_the_old_elements_and_zeroes_the_new);
    tcase_add_test(tc, arena_grow_reaches_what_is_needed_in_one_step);
#ifdef UNDER_ASAN
    tcase_add_loop_test(tc, arena_poisons_what_is_not_handed_out, 0, (int)ARRAY_SIZE(poisoned));
#endif
}

int main(void)
{
    return unit_run("arena", add);
}
