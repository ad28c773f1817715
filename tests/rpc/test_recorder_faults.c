/* test_recorder_faults.c - what goes wrong with recorded rounds harms nobody and is told once. */
#include "tests/rpc/rounds_folder.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *what, *path; /* in the folder, unless it is absolute */
    const char *logged;
} no_folder[] = {
    {"a file", "file", "Not a directory"},
    {"a folder below a file", "file/rounds", "Not a directory"},
    {"a folder below nothing", "nowhere/rounds", "No such file or directory"},
    {"a folder that takes no files", "/proc/self", "a round was not kept"},
    {"a loop of links", "loop", "Too many levels of symbolic links"},
};

START_TEST(recorder_tells_once_that_its_folder_is_no_good)
{
    const char *path =
        no_folder[_i].path[0] == '/' ? no_folder[_i].path : path_of(no_folder[_i].path);
    put_file("file", "");
    ck_assert_int_eq(symlink(path_of("loop"), path_of("loop")), 0);
    log_begin();
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(path, 100, MUCH);
    for (int64_t epoch = 1; epoch <= 20; epoch++)
        write_round(r, "g", epoch);
    char *log = log_end();
    ck_assert_msg(count_lines(log, "\n") == 1, "%s: logged\n%s", no_folder[_i].what, log);
    ck_assert_msg(strstr(log, no_folder[_i].logged) != NULL, "%s: logged\n%s", no_folder[_i].what,
                  log);
}
END_TEST

/* Gives up the right to write into the folder, also as root; and takes it again. */
static void folder_forbid(void)
{
    ck_assert_int_eq(chmod(folder, 0555), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}

static void folder_allow(void)
{
    if (getuid() == 0) {
        ck_assert_int_eq(seteuid(0), 0);
        (void)prctl(PR_SET_DUMPABLE, 1); /* the leak detector wants that */
    }
    ck_assert_int_eq(chmod(folder, 0700), 0);
}

START_TEST(recorder_goes_on_when_it_may_write_again)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 100, MUCH);
    log_begin();
    folder_forbid();
    for (int64_t epoch = 1; epoch <= 5; epoch++)
        write_round(r, "g", epoch);
    folder_allow();
    write_round(r, "g", 6);
    char *log = log_end();
    ck_assert_msg(count_lines(log, "\n") == 1 && strstr(log, "a round was not kept") != NULL &&
                      strstr(log, "Permission denied") != NULL,
                  "logged\n%s", log);
    ck_assert_uint_eq(count_files(), 2);
    read_pair(name_of(6, ""));
}
END_TEST

START_TEST(recorder_stays_within_its_bound_when_it_may_not_remove)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 4, MUCH);
    write_round(r, "g", 1);
    write_round(r, "g", 2);
    log_begin();
    folder_forbid();
    write_round(r, "g", 3);
    folder_allow();
    char *log = log_end();
    ck_assert_msg(count_lines(log, "an old round was not removed") == 1, "logged\n%s", log);
    ck_assert_uint_eq(count_files(), 4);
    write_round(r, "g", 4);
    ck_assert_uint_eq(count_files(), 4);
    read_pair(name_of(4, ""));
}
END_TEST

/* A full disk, as far as a process can make one for itself. `room`: bytes a file may have. */
static void with_full_disk(struct recorder *r, int64_t epoch, rlim_t room)
{
    struct rlimit was, less;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    less = was;
    less.rlim_cur = room;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &less), 0);
    write_round(r, "g", epoch);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
}

START_TEST(recorder_leaves_no_part_of_a_round_on_a_full_disk)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 4, MUCH);
    write_round(r, "g", 1);
    const char *before = list_folder(folder);
    size_t plan_len = read_file(name_of(1, ".plan")).len;
    ck_assert_msg(plan_len < read_file(name_of(1, ".snapshot")).len, "the plan is the larger one");
    static const int parts[] = {0, 1, 2}; /* no byte, half a plan, the plan and no snapshot */
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        with_full_disk(r, 2 + (int64_t)i, plan_len * (rlim_t)parts[i] / 2);
        ck_assert_msg(strcmp(list_folder(folder), before) == 0, "part %d: there are\n%s", parts[i],
                      list_folder(folder));
    }
    for (int64_t epoch = 10; epoch <= 20; epoch++)
        write_round(r, "g", epoch);
    ck_assert_uint_eq(count_files(), 4);
    read_pair(name_of(20, ""));
}
END_TEST

START_TEST(recorder_does_not_keep_a_round_that_is_too_large)
{
    CLEANUP(recorder_destroyp) struct recorder *first = recorder_of(folder, 1000, MUCH);
    write_round(first, "g", 1);
    log_begin();
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 1000, pair_bytes(1) - 1);
    for (int64_t epoch = 2; epoch <= 5; epoch++)
        write_round(r, "g", epoch);
    char *log = log_end();
    ck_assert_str_eq(list_folder(folder),
                     arena_printf(arena, "%s\n%s\n", name_of(1, ".plan"), name_of(1, ".snapshot")));
    ck_assert_msg(count_lines(log, "larger than record_max_bytes") == 1, "logged\n%s", log);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, folder_setup, folder_teardown);
    tcase_add_loop_test(tc, recorder_tells_once_that_its_folder_is_no_good, 0,
                        ARRAY_SIZE(no_folder));
    tcase_add_test(tc, recorder_goes_on_when_it_may_write_again);
    tcase_add_test(tc, recorder_stays_within_its_bound_when_it_may_not_remove);
    tcase_add_test(tc, recorder_leaves_no_part_of_a_round_on_a_full_disk);
    tcase_add_test(tc, recorder_does_not_keep_a_round_that_is_too_large);
}

int main(void)
{
    return unit_run("recorder_faults", add_tests);
}
