/* test_snapshot_file.c - files come back as they were, and damaged ones are refused, never
 * believed. */
#include <stdio.h>
#include <string.h>

#include "scheduler/fnv.h"
#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_format.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

struct file {
    uint8_t *bytes;
    size_t len;
};

static struct file sample_file(struct arena *a)
{
    struct file f;
    snapshot_write(sample_snapshot(a, 0), &sample_config, a, &f.bytes, &f.len);
    return f;
}

static struct file sample_plan_file(struct arena *a, const struct snapshot *s)
{
    struct file f;
    plan_write(sample_plan(s, a), a, &f.bytes, &f.len);
    return f;
}

/* Makes the checksum right, so that the damage before it is what the reader meets. */
static void seal(struct file f)
{
    uint64_t sum = fnv_bytes(FNV_START, f.bytes, f.len - FILE_CHECKSUM);
    for (int i = 0; i < FILE_CHECKSUM; i++)
        f.bytes[f.len - FILE_CHECKSUM + (size_t)i] = (uint8_t)(sum >> (8 * i));
}

/* The first n bytes on the heap, exactly as long, so that ASan sees a read too far. */
static struct file copy_of(struct file f, size_t n)
{
    struct file copy = {calloc(1, n > 0 ? n : 1), n};
    ck_assert_ptr_nonnull(copy.bytes);
    memcpy(copy.bytes, f.bytes, n);
    return copy;
}

START_TEST(snapshot_comes_back_from_its_file)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    const struct snapshot *back = NULL;
    struct policy_config config = {0};
    struct err e = {0};
    struct file f = sample_file(a);
    ck_assert_msg(snapshot_read(f.bytes, f.len, a, &back, &config, &e) == 0, "%s", e.message);
    ck_assert_str_eq(snapshot_print(back, a), snapshot_print(s, a));
    ck_assert_int_eq(config.max_containers_per_agent, 100);
    ck_assert_uint_eq(config.n_slot_priority, 2);
    ck_assert_str_eq(config.slot_priority[1], "cpu");
    ck_assert_uint_eq(config.n_options, 2);
    ck_assert_str_eq(config.options[1].key, "fifo.num_retries_to_skip");
    ck_assert_str_eq(config.options[0].value, "null");
    struct file again;
    snapshot_write(back, &config, a, &again.bytes, &again.len);
    ck_assert_uint_eq(again.len, f.len);
    ck_assert_mem_eq(again.bytes, f.bytes, f.len);
}
END_TEST

START_TEST(snapshot_file_is_the_same_for_any_order_of_adding)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (uint64_t seed = 1; seed <= 50; seed++) {
        arena_reset(a);
        struct file want = sample_file(a);
        struct file got;
        snapshot_write(sample_snapshot(a, seed), &sample_config, a, &got.bytes, &got.len);
        ck_assert_msg(got.len == want.len && memcmp(got.bytes, want.bytes, got.len) == 0,
                      "seed %u gives another file", (unsigned)seed);
    }
}
END_TEST

START_TEST(snapshot_file_keeps_an_empty_group_and_a_null_configuration)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    builder_group(b, &(struct snapshot){.bad_options = "scheduler_opts is no object"});
    const struct snapshot *s = builder_finish(b);
    const struct snapshot *back = NULL;
    struct policy_config config = {.slot_priority = (const char *const[]){"x"}, .n_options = 5};
    struct err e = {0};
    struct file f;
    snapshot_write(s, &(struct policy_config){0}, a, &f.bytes, &f.len);
    ck_assert_msg(snapshot_read(f.bytes, f.len, a, &back, &config, &e) == 0, "%s", e.message);
    ck_assert_str_eq(snapshot_print(back, a), snapshot_print(s, a));
    ck_assert_ptr_nonnull(strstr(snapshot_print(back, a), "bad_options \"scheduler_opts is no"));
    ck_assert_ptr_null(config.slot_priority);
    ck_assert_uint_eq(config.n_options, 0);
    static const char *const none[] = {NULL};
    snapshot_write(s, &(struct policy_config){.slot_priority = none}, a, &f.bytes, &f.len);
    ck_assert_int_eq(snapshot_read(f.bytes, f.len, a, &back, &config, &e), 0);
    ck_assert_ptr_nonnull(config.slot_priority);
    ck_assert_uint_eq(config.n_slot_priority, 0);
}
END_TEST

START_TEST(plan_comes_back_from_its_file)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct file f = sample_plan_file(a, s);
    struct plan *back = NULL;
    struct err e = {0};
    ck_assert_msg(plan_read(f.bytes, f.len, s, a, &back, &e) == 0, "%s", e.message);
    ck_assert_str_eq(plan_print(s, back, a), plan_print(s, sample_plan(s, a), a));
    ck_assert_uint_eq(back->n_placements, 4);
    ck_assert_uint_eq(back->counts[OUTCOME_WAITING], 2);
    struct file again;
    plan_write(back, a, &again.bytes, &again.len);
    ck_assert_uint_eq(again.len, f.len);
    ck_assert_mem_eq(again.bytes, f.bytes, f.len);
}
END_TEST

START_TEST(plan_file_keeps_the_budget_that_stopped_the_round)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    for (uint32_t after = 0; after < s->n_sessions; after++) {
        struct plan *p = sample_plan(s, a);
        struct plan *back = NULL;
        struct err e = {0};
        struct file f;
        p->stopped = true;
        p->stopped_after = after;
        plan_write(p, a, &f.bytes, &f.len);
        ck_assert_msg(plan_read(f.bytes, f.len, s, a, &back, &e) == 0, "%s", e.message);
        ck_assert_msg(back->stopped && back->stopped_after == after,
                      "stopped after %u became %d, %u", (unsigned)after, back->stopped,
                      (unsigned)back->stopped_after);
    }
}
END_TEST

START_TEST(plan_file_writes_shared_causes_once)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct plan *p = sample_plan(s, a);
    p->decisions[3].n_causes = 2; /* now the very list of decision 1 */
    p->hash = plan_hash(s, p);
    struct file f;
    plan_write(p, a, &f.bytes, &f.len);
    size_t found = 0;
    for (size_t i = 0; i + 6 <= f.len; i++)
        found += memcmp(f.bytes + i, "curfew", 6) == 0;
    ck_assert_uint_eq(found, 2); /* the validator's name and one cause */
    struct plan *back = NULL;
    struct err e = {0};
    ck_assert_msg(plan_read(f.bytes, f.len, s, a, &back, &e) == 0, "%s", e.message);
    ck_assert_ptr_eq(back->decisions[1].causes, back->decisions[3].causes);
    ck_assert_str_eq(plan_print(s, back, a), plan_print(s, p, a));
}
END_TEST

START_TEST(plan_file_is_refused_for_another_snapshot)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct file f = sample_plan_file(a, s);
    struct snapshot_builder *b = sample_builder(a, 0);
    struct uuid id = sample_id(11);
    builder_session_at(b, builder_find_session(b, &id))->created_at = -100; /* stands first now */
    struct plan *back = NULL;
    struct err e = {0};
    ck_assert_int_eq(plan_read(f.bytes, f.len, builder_finish(b), a, &back, &e), -1);
    ck_assert_ptr_null(back);
    struct plan *p = sample_plan(s, a);
    p->hash++;
    plan_write(p, a, &f.bytes, &f.len);
    ck_assert_int_eq(plan_read(f.bytes, f.len, s, a, &back, &e), -1);
    ck_assert_str_eq(e.message, "the plan belongs to another snapshot: its hash does not match");
}
END_TEST

/* --- damage --- */

/* 0: it was read, and what was read writes and reads again the same. */
static int read_back(struct file f, const struct snapshot *of_plan, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = NULL;
    struct plan *p = NULL;
    struct policy_config config = {.n_options = 77};
    struct file again;
    int result = of_plan != NULL ? plan_read(f.bytes, f.len, of_plan, a, &p, e)
                                 : snapshot_read(f.bytes, f.len, a, &s, &config, e);
    ck_assert_msg(arena_used(a) <= 65536 + 100 * f.len, "%zu bytes of memory for a file of %zu",
                  arena_used(a), f.len);
    if (result < 0) {
        ck_assert_int_eq(e->code, ERR_INVALID);
        ck_assert_str_eq(e->reason, "BAD_FILE");
        ck_assert(s == NULL && p == NULL && config.n_options == 77);
        return -1;
    }
    if (of_plan != NULL) {
        plan_write(p, a, &again.bytes, &again.len);
        const char *before = plan_print(of_plan, p, a);
        ck_assert_int_eq(plan_read(again.bytes, again.len, of_plan, a, &p, e), 0);
        ck_assert_str_eq(plan_print(of_plan, p, a), before);
    } else {
        snapshot_write(s, &config, a, &again.bytes, &again.len);
        const char *before = snapshot_print(s, a);
        ck_assert_int_eq(snapshot_read(again.bytes, again.len, a, &s, &config, e), 0);
        ck_assert_str_eq(snapshot_print(s, a), before);
    }
    return 0;
}

static void check_truncations(struct file f, const struct snapshot *of_plan)
{
    for (size_t n = 0; n < f.len; n++) {
        struct err e = {0};
        struct file cut = copy_of(f, n);
        ck_assert_msg(read_back(cut, of_plan, &e) < 0, "the first %zu bytes were believed", n);
        if (n >= FILE_HEAD + FILE_CHECKSUM) {
            seal(cut);
            ck_assert_msg(read_back(cut, of_plan, &e) < 0, "%zu bytes with a checksum", n);
        }
        free(cut.bytes);
    }
}

/* Every byte changed: to each other value, or to 8 of them. Then several bytes at once. */
static void check_changes(struct file f, const struct snapshot *of_plan)
{
    uint64_t seed = 7;
    struct file bad = copy_of(f, f.len);
    for (size_t i = 0; i < f.len - FILE_CHECKSUM; i++) {
        for (int turn = 0; turn < 8; turn++) {
            struct err e = {0};
            bad.bytes[i] ^= (uint8_t)(turn < 4 ? 1U << turn : 1 + sample_random(&seed) % 255);
            if (bad.bytes[i] == f.bytes[i])
                bad.bytes[i] ^= 0x80;
            ck_assert_msg(read_back(bad, of_plan, &e) < 0, "byte %zu is not checked", i);
            seal(bad);
            read_back(bad, of_plan, &e);
            memcpy(bad.bytes, f.bytes, f.len);
        }
    }
    for (int turn = 0; turn < 2000; turn++) {
        struct err e = {0};
        for (uint32_t n = sample_random(&seed) % 4; n < 5; n++)
            bad.bytes[FILE_HEAD + sample_random(&seed) % (f.len - FILE_HEAD)] =
                (uint8_t)sample_random(&seed);
        seal(bad);
        read_back(bad, of_plan, &e);
        memcpy(bad.bytes, f.bytes, f.len);
    }
    free(bad.bytes);
}

START_TEST(snapshot_file_is_refused_when_it_is_cut)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    check_truncations(sample_file(a), NULL);
}
END_TEST

START_TEST(snapshot_file_is_refused_or_checked_when_it_is_changed)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    check_changes(sample_file(a), NULL);
}
END_TEST

START_TEST(plan_file_is_refused_when_it_is_cut)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    check_truncations(sample_plan_file(a, s), s);
}
END_TEST

START_TEST(plan_file_is_refused_or_checked_when_it_is_changed)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    check_changes(sample_plan_file(a, s), s);
}
END_TEST

START_TEST(snapshot_read_looks_at_magic_version_and_checksum_first)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct file f = sample_file(a);
    struct file plan = sample_plan_file(a, s);
    struct err e = {0};
    ck_assert_int_eq(read_back(plan, NULL, &e), -1);
    ck_assert_str_eq(e.message, "byte 0 (head): it is another kind of file");
    ck_assert_int_eq(read_back(f, s, &e), -1);
    ck_assert_str_eq(e.message, "byte 0 (head): it is another kind of file");
    ck_assert_int_eq(read_back((struct file){f.bytes, 19}, NULL, &e), -1);
    ck_assert_str_eq(e.message, "byte 19 (head): the bytes end too early");
    f.bytes[FILE_MAGIC] = 2;
    ck_assert_int_eq(read_back(f, NULL, &e), -1);
    ck_assert_str_eq(e.message,
                     "byte 8 (head): version 2 of the file, this program reads version 1");
    f.bytes[FILE_MAGIC] = 1;
    f.bytes[20] ^= 1;
    ck_assert_int_eq(read_back(f, NULL, &e), -1);
    ck_assert_msg(strstr(e.message, "(checksum): the bytes were damaged") != NULL, "%s", e.message);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, snapshot_read_looks_at_magic_version_and_checksum_first);
    tcase_add_test(tc, snapshot_file_is_refused_when_it_is_cut);
    tcase_add_test(tc, snapshot_file_is_refused_or_checked_when_it_is_changed);
    tcase_add_test(tc, plan_file_is_refused_when_it_is_cut);
    tcase_add_test(tc, plan_file_is_refused_or_checked_when_it_is_changed);
    tcase_add_test(tc, plan_file_is_refused_for_another_snapshot);
    tcase_add_test(tc, snapshot_comes_back_from_its_file);
    tcase_add_test(tc, snapshot_file_is_the_same_for_any_order_of_adding);
    tcase_add_test(tc, snapshot_file_keeps_an_empty_group_and_a_null_configuration);
    tcase_add_test(tc, plan_comes_back_from_its_file);
    tcase_add_test(tc, plan_file_keeps_the_budget_that_stopped_the_round);
    tcase_add_test(tc, plan_file_writes_shared_causes_once);
}

int main(void)
{
    return unit_run("snapshot_file", add);
}
