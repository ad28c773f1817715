/* test_recorder.c - the files of recorded rounds: their names and what is in them. */
#include "tests/rpc/rounds_folder.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scheduler/snapshot_file.h"

/* --- names -------------------------------------------------------------------------------------
 */

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define ROUND   "-7-00000000-0000-0000-0000-000000000007"

static const struct {
    const char *what, *group, *stem;
} names[] = {
    {"no name", "", "+" ROUND},
    {"the folder above", "..", "%2E." ROUND},
    {"a path", "../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd" ROUND},
    {"an absolute path", "/etc/passwd", "%2Fetc%2Fpasswd" ROUND},
    {"a hidden file", ".bashrc", "%2Ebashrc" ROUND},
    {"an option", "-rf", "%2Drf" ROUND},
    {"control characters", "a\n\x1b[2J\x7f", "a%0A%1B%5B2J%7F" ROUND},
    {"words for a shell", "a b;$(x)`y`*~", "a%20b%3B%24%28x%29%60y%60%2A%7E" ROUND},
    {"a percent sign", "%s%n%2F", "%25s%25n%252F" ROUND},
    {"what marks a cut", "g+", "g%2B" ROUND},
    {"letters beyond ASCII", "gr\xC3\xBC\xC3\x9F", "gr%C3%BC%C3%9F" ROUND},
    {"bytes that are no text", "\xFF\x80", "%FF%80" ROUND},
    {"a name like a round's", "g" ROUND, "g" ROUND ROUND},
    {"a long name", HUNDRED, TEN TEN TEN TEN TEN TEN TEN TEN TEN "012+" ROUND},
    {"a long name of escapes", "////////" TEN TEN "////////" TEN TEN "////////",
     "%2F%2F%2F%2F%2F%2F%2F%2F" TEN TEN "%2F%2F%2F%2F%2F%2F%2F%2F" TEN TEN "%2F%2F+" ROUND},
    {"a plain name", "gpu-A100_v2.1", "gpu-A100_v2.1" ROUND},
};

START_TEST(recorder_names_files_as_tabled)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 100, MUCH);
    const char *want =
        arena_printf(arena, "%s.plan\n%s.snapshot\n", names[_i].stem, names[_i].stem);
    write_round(r, names[_i].group, 7);
    const char *got = list_folder(folder);
    ck_assert_msg(strcmp(got, want) == 0, "%s: made\n%s", names[_i].what, got);
    ck_assert_msg(read_pair(names[_i].stem)->hash == plan->hash, "%s: another hash",
                  names[_i].what);
}
END_TEST

START_TEST(recorder_finds_its_own_files_again_whatever_their_names)
{
    CLEANUP(recorder_destroyp) struct recorder *before = recorder_of(folder, 1000, MUCH);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        write_round(before, names[i].group, 7);
    ck_assert_uint_eq(count_files(), 2 * ARRAY_SIZE(names));
    CLEANUP(recorder_destroyp) struct recorder *after = recorder_of(folder, 2, MUCH);
    write_round(after, "g", 8);
    ck_assert_str_eq(list_folder(folder),
                     arena_printf(arena, "%s\n%s\n", name_of(8, ".plan"), name_of(8, ".snapshot")));
}
END_TEST

/* --- what is written ---------------------------------------------------------------------------
 */

/* As a commit does to a plan. */
static void lose(struct plan *p, uint32_t i)
{
    static const struct cause lost[] = {
        {.kind = CAUSE_CONFLICT, .plugin = "commit", .subject = "", .message = "Lost."}};
    p->counts[p->decisions[i].outcome]--;
    p->counts[OUTCOME_CONFLICT]++;
    p->decisions[i].outcome = OUTCOME_CONFLICT;
    p->decisions[i].causes = lost;
    p->decisions[i].n_causes = 1;
    p->decisions[i].n_placements = 0;
}

START_TEST(recorder_keeps_the_plan_as_it_was_before_the_commit)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 100, MUCH);
    const char *before = plan_print(snapshot, plan, arena);
    const struct round_report report = {.round_id = sample_id(1),
                                        .scaling_group = "g",
                                        .epoch = 1,
                                        .snapshot = snapshot,
                                        .plan = plan};
    const struct plan *planned = recorder_keep(r, plan, arena);
    for (uint32_t i = 0; i < plan->n_decisions; i++)
        lose(plan, i);
    recorder_write(r, &report, planned, &sample_config);
    ck_assert_str_eq(plan_print(snapshot, read_pair(name_of(1, "")), arena), before);
}
END_TEST

START_TEST(recorder_is_absent_without_a_folder)
{
    struct recorder *r = recorder_of("", 100, MUCH);
    const struct round_report report = {
        .scaling_group = "g", .epoch = 1, .snapshot = snapshot, .plan = plan};
    ck_assert_ptr_null(r);
    ck_assert_ptr_null(recorder_keep(r, plan, arena));
    recorder_write(r, &report, recorder_keep(r, plan, arena), &sample_config);
    recorder_destroy(r);
    ck_assert_str_eq(list_folder(folder), "");
}
END_TEST

START_TEST(recorder_makes_its_folder_and_makes_it_again)
{
    const char *below = path_of("rounds");
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(below, 100, MUCH);
    struct stat st;
    ck_assert_msg(stat(below, &st) == 0 && S_ISDIR(st.st_mode), "it was not made");
    ck_assert_msg((st.st_mode & 07) == 0, "everybody may look into it: mode %o", st.st_mode & 0777);
    write_round(r, "g", 1);
    empty_folder(below);
    ck_assert_int_eq(rmdir(below), 0);
    write_round(r, "g", 2);
    const char *got = list_folder(below);
    empty_folder(below);
    ck_assert_str_eq(got,
                     arena_printf(arena, "%s\n%s\n", name_of(2, ".plan"), name_of(2, ".snapshot")));
}
END_TEST

enum { WRITERS = 4, ROUNDS_EACH = 25 };

static void *write_many(void *r)
{
    static _Atomic int64_t epoch = 1;
    for (int i = 0; i < ROUNDS_EACH; i++) {
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        int64_t mine = epoch++;
        const struct round_report report = {.round_id = sample_id((unsigned)mine),
                                            .scaling_group = "g",
                                            .epoch = mine,
                                            .snapshot = snapshot,
                                            .plan = plan};
        recorder_write(r, &report, recorder_keep(r, plan, a), &sample_config);
    }
    return NULL;
}

START_TEST(recorder_takes_rounds_from_several_threads)
{
    CLEANUP(recorder_destroyp) struct recorder *r = recorder_of(folder, 20, MUCH);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, r), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    unsigned pairs = 0;
    for (int64_t epoch = 1; epoch <= WRITERS * ROUNDS_EACH; epoch++)
        if (is_there(name_of(epoch, ".snapshot"))) {
            read_pair(name_of(epoch, ""));
            pairs++;
        }
    ck_assert_msg(count_files() == 2 * pairs && pairs >= 9 && pairs <= 10, "there are\n%s",
                  list_folder(folder));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, folder_setup, folder_teardown);
    tcase_add_loop_test(tc, recorder_names_files_as_tabled, 0, ARRAY_SIZE(names));
    tcase_add_test(tc, recorder_finds_its_own_files_again_whatever_their_names);
    tcase_add_test(tc, recorder_keeps_the_plan_as_it_was_before_the_commit);
    tcase_add_test(tc, recorder_is_absent_without_a_folder);
    tcase_add_test(tc, recorder_makes_its_folder_and_makes_it_again);
    tcase_add_test(tc, recorder_takes_rounds_from_several_threads);
}

int main(void)
{
    return unit_run("recorder", add_tests);
}
