/* test_cursor_file.c - a watch's place, kept in a file. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/berthctl/cursor_file.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/berthctl-test-XXXXXX";
static char path[64];

static void setup(void)
{
    ck_assert_msg(mkdtemp(folder) != NULL, "mkdtemp");
    snprintf(path, sizeof(path), "%s/cursor", folder);
}

static void teardown(void)
{
    unlink(path);
    rmdir(folder);
}

START_TEST(cursor_file_is_none_before_the_first_write)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {0};
    char *got = "untouched";
    ck_assert_msg(cursor_file_read(path, a, &got, &e) == 0, "%s", e.message);
    ck_assert_msg(got == NULL, "read \"%s\"", got);
}
END_TEST

START_TEST(cursor_file_gives_back_the_last_write)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {0};
    struct stat leftover;
    char fresh[80];
    char *got = NULL;

    ck_assert_msg(cursor_file_write(path, "first", &e) == 0, "%s", e.message);
    ck_assert_msg(cursor_file_write(path, "second+/=", &e) == 0, "%s", e.message);
    ck_assert_msg(cursor_file_read(path, a, &got, &e) == 0, "%s", e.message);
    ck_assert_msg(got != NULL && strcmp(got, "second+/=") == 0, "read \"%s\"", got);
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    ck_assert_msg(stat(fresh, &leftover) != 0, "%s was left behind", fresh);
}
END_TEST

START_TEST(cursor_file_says_which_file_it_cannot_use)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {0};
    char *got = NULL;
    char below[80];

    snprintf(below, sizeof(below), "%s/missing/cursor", folder);
    ck_assert_msg(cursor_file_write(below, "c", &e) == -1, "wrote into a folder that is not there");
    ck_assert_msg(strstr(e.message, below) != NULL, "%s", e.message);
    ck_assert_msg(cursor_file_read(folder, a, &got, &e) == -1, "read a folder as a cursor");
    ck_assert_msg(strstr(e.message, folder) != NULL, "%s", e.message);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, cursor_file_is_none_before_the_first_write);
    tcase_add_test(tc, cursor_file_gives_back_the_last_write);
    tcase_add_test(tc, cursor_file_says_which_file_it_cannot_use);
}

int main(void)
{
    return unit_run("berthctl_cursor_file", add_tests);
}
