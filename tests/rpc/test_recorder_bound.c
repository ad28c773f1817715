/* test_recorder_bound.c - the folder of recorded rounds stays as small as it should be. */
#include "tests/rpc/rounds_folder.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const foreign[] = {
    "README",
    "g-1.snapshot",
    "x.plan",
    "g-x-00000000-0000-0000-0000-000000000001.snapshot",
    "g--00000000-0000-0000-0000-000000000001.snapshot",
    "-1-00000000-0000-0000-0000-000000000001.snapshot",
    "1-00000000-0000-0000-0000-000000000001.snapshot",
    "g-1-00000000-0000-0000-0000-00000000000.snapshot",
    "g-1-00000000-0000-0000-0000-00000000000x.snapshot",
    "g-1-00000000-0000-0000-0000-000000000001.snapshot.bak",
    "g-1-00000000-0000-0000-0000-000000000001",
    "g-1-00000000-0000-0000-0000-000000000001.json",
    ".snapshot",
};

START_TEST(recorder_leaves_other_files_alone)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 2, MUCH);
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        put_file(foreign[i], "not a round");
    for (int64_t epoch = 1; epoch <= 5; epoch++)
        write_round(r, "g", epoch);
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        ck_assert_msg(is_there(foreign[i]), "%s is gone", foreign[i]);
    ck_assert_uint_eq(count_files(), ARRAY_SIZE(foreign) + 2);
}
END_TEST

START_TEST(recorder_leaves_folders_and_links_with_names_of_its_own_alone)
{
    const char *target = path_of("target");
    put_file("target", "somebody's");
    ck_assert_int_eq(symlink(target, path_of(name_of(1, ".snapshot"))), 0);
    ck_assert_int_eq(mkdir(path_of(name_of(2, ".plan")), 0700), 0);
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 2, MUCH);
    for (int64_t epoch = 3; epoch <= 6; epoch++)
        write_round(r, "g", epoch);
    ck_assert_msg(is_there("target") && is_there(name_of(1, ".snapshot")) &&
                      is_there(name_of(2, ".plan")),
                  "left are\n%s", list_folder(folder));
    read_pair(name_of(6, ""));
}
END_TEST

START_TEST(recorder_keeps_the_newest_files)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 7, MUCH);
    for (int64_t epoch = 1; epoch <= 25; epoch++) {
        write_round(r, "g", epoch);
        ck_assert_uint_eq(count_files(), epoch < 3 ? 2 * (unsigned)epoch : 6);
    }
    for (int64_t epoch = 23; epoch <= 25; epoch++)
        ck_assert_uint_eq(read_pair(name_of(epoch, ""))->hash, plan->hash);
}
END_TEST

START_TEST(recorder_keeps_other_bounds_from_the_next_write_on)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 20, MUCH);
    for (int64_t epoch = 1; epoch <= 9; epoch++)
        write_round(r, "g", epoch);
    recorder_limit(NULL, 2, MUCH);
    recorder_limit(r, 4, MUCH);
    ck_assert_uint_eq(count_files(), 18);
    write_round(r, "g", 10);
    ck_assert_uint_eq(count_files(), 4);
    recorder_limit(r, 4, pair_bytes(10));
    write_round(r, "g", 11);
    ck_assert_uint_eq(count_files(), 2);
    ck_assert_uint_eq(read_pair(name_of(11, ""))->hash, plan->hash);
    recorder_limit(r, 20, MUCH);
    write_round(r, "g", 12);
    ck_assert_uint_eq(count_files(), 4);
}
END_TEST

START_TEST(recorder_removes_an_eighth_at_a_time)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 32, MUCH);
    unsigned fewest = 32, most = 0;
    for (int64_t epoch = 1; epoch <= 100; epoch++) {
        write_round(r, "g", epoch);
        unsigned n = count_files();
        most = n > most ? n : most;
        fewest = epoch > 16 && n < fewest ? n : fewest;
    }
    ck_assert_uint_eq(most, 32);
    ck_assert_uint_eq(fewest, 28);
    ck_assert(is_there(name_of(100, ".snapshot")) && !is_there(name_of(80, ".snapshot")));
}
END_TEST

START_TEST(recorder_keeps_the_newest_bytes)
{
    CLEANUP(recorder_destroyp) struct recorder *first = recorder_of(folder, 1000, MUCH);
    write_round(first, "g", 1);
    int64_t pair = pair_bytes(1);
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 1000, 4 * pair);
    for (int64_t epoch = 2; epoch <= 20; epoch++) {
        write_round(r, "g", epoch);
        ck_assert_msg(count_files() <= 8, "after %d rounds there are\n%s", (int)epoch,
                      list_folder(folder));
        ck_assert_msg(is_there(name_of(epoch, ".snapshot")), "round %d was not kept", (int)epoch);
    }
    ck_assert_uint_ge(count_files(), 6);
}
END_TEST

START_TEST(recorder_counts_what_it_finds)
{
    CLEANUP(recorder_destroyp) struct recorder *before = recorder_of(folder, 1000, MUCH);
    for (int64_t epoch = 1; epoch <= 10; epoch++)
        write_round(before, "g", epoch);
    (void)unlink(path_of(name_of(10, ".plan")));
    put_file(name_of(11, ".snapshot.new"), "left behind by a crash");
    CLEANUP(recorder_destroyp) struct recorder *after = recorder_of(folder, 6, MUCH);
    write_round(after, "g", 12);
    ck_assert_str_eq(list_folder(folder),
                     arena_printf(arena, "%s\n%s\n%s\n%s\n%s\n%s\n", name_of(10, ".snapshot"),
                                  name_of(11, ".snapshot.new"), name_of(12, ".plan"),
                                  name_of(12, ".snapshot"), name_of(9, ".plan"),
                                  name_of(9, ".snapshot")));
    for (int64_t epoch = 13; epoch <= 15; epoch++)
        write_round(after, "g", epoch);
    ck_assert_msg(!is_there(name_of(11, ".snapshot.new")), "what a crash left is there for ever");
    ck_assert_uint_eq(count_files(), 6);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, folder_setup, folder_teardown);
    tcase_add_test(tc, recorder_leaves_other_files_alone);
    tcase_add_test(tc, recorder_leaves_folders_and_links_with_names_of_its_own_alone);
    tcase_add_test(tc, recorder_keeps_the_newest_files);
    tcase_add_test(tc, recorder_keeps_the_newest_bytes);
    tcase_add_test(tc, recorder_keeps_other_bounds_from_the_next_write_on);
    tcase_add_test(tc, recorder_removes_an_eighth_at_a_time);
    tcase_add_test(tc, recorder_counts_what_it_finds);
}

int main(void)
{
    return unit_run("recorder_bound", add_tests);
}
