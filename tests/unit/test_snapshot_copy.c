/* test_snapshot_copy.c - a snapshot copied into a builder comes out as it was, byte for byte. */
#include <string.h>

#include "scheduler/snapshot_build.h"
#include "scheduler/snapshot_file.h"
#include "tests/reference/cluster.h"
#include "tests/unit/unit.h"

enum { SEEDS = 200 };

START_TEST(a_copy_is_what_it_was_made_of)
{
    const struct policy_config none = {.n_options = 0};
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct cluster c;
    uint8_t *before, *after;
    size_t n_before, n_after;
    cluster_create((uint64_t)_i + 1, 1, a, &c);
    struct snapshot_builder *b = builder_create(a);
    builder_copy(b, c.snapshot);
    for (uint32_t i = 0; i < c.snapshot->n_owners; i++)
        ck_assert_uint_eq(
            builder_find_owner(b, c.snapshot->owners[i].kind, c.snapshot->owners[i].key), i);
    snapshot_write(c.snapshot, &none, a, &before, &n_before);
    snapshot_write(builder_finish(b), &none, a, &after, &n_after);
    ck_assert_msg(n_before == n_after && memcmp(before, after, n_before) == 0,
                  "seed %d: the copy differs", _i + 1);
}
END_TEST

START_TEST(owners_and_groups_are_found_by_their_keys)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct cluster c;
    cluster_create((uint64_t)_i + 1, 1, a, &c);
    const struct snapshot *s = c.snapshot;
    const struct uuid nobody = {{0xff, 0xff}};
    for (uint32_t i = 0; i < s->n_owners; i++)
        ck_assert_uint_eq(snapshot_find_owner(s, s->owners[i].kind, s->owners[i].key), i);
    for (uint32_t i = 0; i < s->n_session_groups; i++)
        ck_assert_uint_eq(snapshot_find_session_group(s, &s->session_groups[i].id), i);
    ck_assert_uint_eq(snapshot_find_owner(s, OWNER_DOMAIN, "k0"), NONE);
    ck_assert_uint_eq(snapshot_find_owner(s, OWNER_KEYPAIR, ""), NONE);
    ck_assert_uint_eq(snapshot_find_session_group(s, &nobody), NONE);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, a_copy_is_what_it_was_made_of, 0, SEEDS);
    tcase_add_loop_test(tc, owners_and_groups_are_found_by_their_keys, 0, 20);
}

int main(void)
{
    return unit_run("snapshot_copy", add);
}
