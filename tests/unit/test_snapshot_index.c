/* test_snapshot_index.c - rows are found by key, and keys with one hash are kept apart. */
#include <stdio.h>
#include <string.h>

#include "scheduler/snapshot_build.h"
#include "scheduler/snapshot_index.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

/* How often row stands under hash. */
static unsigned times_found(const struct snapshot_index *x, uint32_t hash, uint32_t row)
{
    unsigned n = 0;
    for (uint32_t at = hash, i; (i = index_next(x, hash, &at)) != NONE;)
        n += i == row;
    return n;
}

START_TEST(index_finds_nothing_when_empty)
{
    struct snapshot_index x = {0};
    uint32_t at = 5;
    ck_assert_uint_eq(index_next(&x, 5, &at), NONE);
    index_remap(&x, NULL);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    index_release(&x, a);
}
END_TEST

/* Hashes at the end of the table run over its edge; all but a few are the same. */
START_TEST(index_walks_over_collisions_and_edges)
{
    enum { N = 5000 };
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_index x = {0};
    for (uint32_t i = 0; i < N; i++)
        index_put(&x, a, i % 3 != 0 ? UINT32_MAX : UINT32_MAX - i, i);
    for (uint32_t i = 0; i < N; i += 7) {
        uint32_t hash = i % 3 != 0 ? UINT32_MAX : UINT32_MAX - i;
        ck_assert_msg(times_found(&x, hash, i) == 1, "row %u", i);
        ck_assert_msg(times_found(&x, hash, i + N) == 0, "row %u", i + N);
    }
    index_move(&x, UINT32_MAX, N - 1, 7 * N);
    ck_assert_uint_eq(times_found(&x, UINT32_MAX, N - 1), 0);
    ck_assert_uint_eq(times_found(&x, UINT32_MAX, 7 * N), 1);
    index_release(&x, a);
    ck_assert_uint_eq(times_found(&x, UINT32_MAX, 7 * N), 0);
}
END_TEST

START_TEST(index_remaps_every_row)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_index x = {0};
    uint32_t to[100];
    for (uint32_t i = 0; i < ARRAY_SIZE(to); i++) {
        index_put(&x, a, i, i);
        to[i] = (uint32_t)ARRAY_SIZE(to) - 1 - i;
    }
    index_remap(&x, to);
    for (uint32_t i = 0; i < ARRAY_SIZE(to); i++)
        ck_assert_msg(times_found(&x, i, to[i]) == 1, "row %u", i);
}
END_TEST

/* --- two keys with one hash, found by trying --- */

struct hashed {
    uint32_t hash;
    unsigned n;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a;
    const struct hashed *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

enum { TRIED = 400000 }; /* about 19 pairs among 2^32 hashes */

static void find_pair(bool texts, unsigned ret[2])
{
    static struct hashed all[TRIED];
    for (unsigned n = 0; n < TRIED; n++) {
        char text[16];
        struct uuid id = sample_id(0);
        snprintf(text, sizeof(text), "k%u", n);
        memcpy(id.b, &n, sizeof(n));
        all[n] = (struct hashed){texts ? index_hash_text(text) : index_hash_uuid(&id), n};
    }
    qsort(all, TRIED, sizeof(all[0]), by_hash);
    for (unsigned i = 1; i < TRIED; i++) {
        if (all[i - 1].hash == all[i].hash) {
            ret[0] = all[i - 1].n;
            ret[1] = all[i].n;
            return;
        }
    }
    ck_abort_msg("no two of %d keys have one hash", TRIED);
}

START_TEST(builder_keeps_names_with_one_hash_apart)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    unsigned pair[2];
    find_pair(true, pair);
    const char *x = arena_printf(a, "k%u", pair[0]);
    const char *y = arena_printf(a, "k%u", pair[1]);
    int64_t *capacity = NULL;
    int64_t *held = NULL;
    ck_assert_uint_eq(builder_slot(b, x, SLOT_COUNT, 0), 0);
    ck_assert_uint_eq(builder_find_slot(b, y), NONE);
    ck_assert_uint_eq(builder_slot(b, y, SLOT_COUNT, 0), 1);
    ck_assert_uint_eq(builder_find_slot(b, y), 1);
    ck_assert_uint_eq(builder_arch(b, x), 0);
    ck_assert_uint_eq(builder_arch(b, y), 1);
    ck_assert_uint_eq(builder_agent(b, &(struct agent){.id = x}, x, &capacity, &held), 0);
    ck_assert_uint_eq(builder_find_agent(b, y), NONE);
    ck_assert_uint_eq(builder_agent(b, &(struct agent){.id = y}, y, &capacity, &held), 1);
    builder_drop_agent(b, 1);
    ck_assert_uint_eq(builder_agent(b, &(struct agent){.id = y}, y, &capacity, &held), 2);
    ck_assert_uint_eq(builder_find_agent(b, x), 0);
    ck_assert_uint_eq(builder_find_agent(b, y), 2);
    ck_assert_uint_eq(builder_owner(b, OWNER_USER, x), 0);
    ck_assert_uint_eq(builder_find_owner(b, OWNER_USER, y), NONE);
    ck_assert_uint_eq(builder_owner(b, OWNER_USER, y), 1);
    ck_assert_uint_eq(builder_owner(b, OWNER_DOMAIN, y), 2);
    ck_assert_uint_eq(builder_find_owner(b, OWNER_USER, y), 1);
}
END_TEST

START_TEST(builder_keeps_ids_with_one_hash_apart)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    unsigned pair[2];
    find_pair(false, pair);
    struct session s[2] = {{.group = NONE}, {.group = NONE}};
    struct uuid id[2] = {sample_id(0), sample_id(0)};
    int64_t *request = NULL;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        s[0].owner[kind] = s[1].owner[kind] = builder_owner(b, (enum owner_kind)kind, "k");
    for (uint32_t i = 0; i < 2; i++) {
        memcpy(id[i].b, &pair[i], sizeof(pair[i]));
        s[i].id = id[i];
        ck_assert_uint_eq(builder_find_session(b, &id[i]), NONE);
        ck_assert_uint_eq(builder_find_kernel(b, &id[i]), NONE);
        ck_assert_uint_eq(builder_find_session_group(b, &id[i]), NONE);
        ck_assert_uint_eq(builder_session(b, &s[i]), i);
        ck_assert_uint_eq(builder_kernel(b, i, &(struct kernel){.id = id[i]}, "x", &request), i);
        ck_assert_uint_eq(builder_session_group(b, &(struct session_group){.id = id[i]}), i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(builder_find_session(b, &id[i]), i);
        ck_assert_uint_eq(builder_find_kernel(b, &id[i]), i);
        ck_assert_uint_eq(builder_find_session_group(b, &id[i]), i);
    }
    const struct snapshot *done = builder_finish(b);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at = snapshot_find_session(done, &id[i]);
        ck_assert(at != NONE && uuid_compare(&done->sessions[at].id, &id[i]) == 0);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, index_finds_nothing_when_empty);
    tcase_add_test(tc, index_walks_over_collisions_and_edges);
    tcase_add_test(tc, index_remaps_every_row);
    tcase_add_test(tc, builder_keeps_names_with_one_hash_apart);
    tcase_add_test(tc, builder_keeps_ids_with_one_hash_apart);
}

int main(void)
{
    return unit_run("snapshot_index", add);
}
