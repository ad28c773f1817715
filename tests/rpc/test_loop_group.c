/* test_loop_group.c - when the next round of a group is due: no clock, no threads. */
#include <check.h>
#include <stdlib.h>

#include "scheduler/base.h"
#include "server/loop_group.h"

enum { S = 1000000000, US_PER_S = 1000000 };
static const struct loop_times times = {
    .interval_ns = 60LL * S, .hint_ns = 2LL * S, .backoff_ns = 30LL * S};

#define AT(seconds) ((int64_t)(seconds)*S)

static struct loop_group *group;

static void setup(void)
{
    group = loop_group_create("g", &times, AT(100));
}

static void teardown(void)
{
    loop_group_destroy(group);
}

static void check_next(int64_t wanted, const char *what)
{
    const int64_t next = loop_group_next(group);
    ck_assert_msg(next == wanted, "%s: due at %lld, expected %lld", what, (long long)next,
                  (long long)wanted);
}

/* A round from `from` to `to` seconds; without jitter. */
static void run(int from, int to, enum loop_end end)
{
    const struct err no = {.code = ERR_UNAVAILABLE, .message = "no"};
    loop_group_begin(group, AT(from));
    check_next(INT64_MAX, "while it runs");
    if (end == LOOP_END_FAILED)
        loop_group_note_failure(group, &no, from * (int64_t)US_PER_S);
    if (end == LOOP_END_DONE)
        loop_group_note_success(group, 7);
    loop_group_end(group, end, AT(to), 0);
}

START_TEST(group_is_due_an_interval_after_its_round_began)
{
    check_next(AT(100), "at first");
    run(100, 101, LOOP_END_DONE);
    check_next(AT(160), "after a round");
}
END_TEST

START_TEST(group_is_due_a_hint_interval_after_its_round_when_hinted)
{
    run(100, 101, LOOP_END_DONE);
    loop_group_hint(group);
    loop_group_hint(group);
    check_next(AT(102), "two hints");
    run(102, 103, LOOP_END_DONE);
    check_next(AT(162), "two hints are one round");
}
END_TEST

START_TEST(group_hinted_while_its_round_runs_is_due_again)
{
    loop_group_begin(group, AT(100));
    loop_group_hint(group);
    loop_group_end(group, LOOP_END_DONE, AT(101), 0);
    check_next(AT(102), "the round may not have seen it");
}
END_TEST

START_TEST(group_that_somebody_else_works_at_keeps_its_hint)
{
    loop_group_hint(group);
    run(100, 101, LOOP_END_BUSY);
    check_next(AT(102), "a hint");
    run(102, 103, LOOP_END_DONE);
    run(110, 111, LOOP_END_BUSY);
    check_next(AT(170), "no hint: the other's round is as good");
}
END_TEST

START_TEST(group_change_is_answered_by_a_round_that_began_after_the_look)
{
    run(100, 101, LOOP_END_DONE);
    loop_group_change(group, 50 * US_PER_S, AT(110));
    check_next(AT(110), "another replica may answer it until then");
    loop_group_see_round(group, 49 * US_PER_S, 52 * US_PER_S, AT(106));
    check_next(AT(110), "a round that began before the look");
    loop_group_see_round(group, 51 * US_PER_S, 52 * US_PER_S, AT(106));
    check_next(AT(165), "a round that began after it, 1 s ago");
}
END_TEST

START_TEST(group_change_keeps_its_first_time)
{
    run(100, 101, LOOP_END_DONE);
    loop_group_change(group, 50 * US_PER_S, AT(110));
    loop_group_change(group, 52 * US_PER_S, AT(112));
    check_next(AT(110), "changes all the time are answered all the same");
}
END_TEST

START_TEST(group_hint_is_not_answered_by_others)
{
    run(100, 101, LOOP_END_DONE);
    loop_group_hint(group);
    loop_group_see_round(group, 51 * US_PER_S, 52 * US_PER_S, AT(101));
    check_next(AT(102), "nobody knows whether the other round saw it");
}
END_TEST

START_TEST(group_counts_its_interval_from_the_last_round_of_anybody)
{
    run(100, 101, LOOP_END_DONE);
    loop_group_see_round(group, 990 * US_PER_S, 1000 * US_PER_S, AT(150));
    check_next(AT(200), "a round 10 s before 150");
    loop_group_see_round(group, 900 * US_PER_S, 1000 * US_PER_S, AT(150));
    check_next(AT(200), "older news");
}
END_TEST

START_TEST(group_that_fails_is_left_alone_longer_and_longer)
{
    static const int pauses[] = {2, 4, 8, 16, 30, 30, 30}; /* backoff_ns at most */
    int at = 100;
    for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
        loop_group_hint(group);
        run(at, at + 1, LOOP_END_FAILED);
        loop_group_hint(group);
        check_next(AT(at + 1 + pauses[i]), "a failure, hints or not");
        at += 1 + pauses[i];
    }
    run(at, at + 1, LOOP_END_DONE);
    loop_group_hint(group);
    check_next(AT(at + 2), "a success: the hint counts again");
}
END_TEST

START_TEST(group_that_was_mended_is_tried_at_once)
{
    run(100, 101, LOOP_END_FAILED);
    run(103, 104, LOOP_END_FAILED);
    loop_group_forgive(group, AT(105));
    check_next(AT(105), "forgiven");
    run(105, 106, LOOP_END_FAILED);
    check_next(AT(108), "the pauses begin anew");
}
END_TEST

START_TEST(group_is_failing_after_three_failures_nobody_else_did_better)
{
    run(100, 101, LOOP_END_FAILED);
    run(103, 104, LOOP_END_FAILED);
    ck_assert_msg(!loop_group_is_failing(group), "twice");
    run(110, 111, LOOP_END_FAILED);
    ck_assert_msg(loop_group_is_failing(group), "three times");
    loop_group_see_round(group, 99 * US_PER_S, 120 * US_PER_S, AT(120));
    ck_assert_msg(loop_group_is_failing(group), "a round before the first failure");
    loop_group_see_round(group, 105 * US_PER_S, 120 * US_PER_S, AT(120));
    ck_assert_msg(!loop_group_is_failing(group), "another replica's round went well");
}
END_TEST

START_TEST(group_is_slow_after_a_round_longer_than_a_hint_interval)
{
    run(100, 102, LOOP_END_DONE);
    ck_assert_msg(!group->is_slow, "2 s");
    run(110, 113, LOOP_END_DONE);
    ck_assert_msg(group->is_slow, "3 s");
    run(200, 201, LOOP_END_DONE);
    ck_assert_msg(!group->is_slow, "fast again");
    run(300, 303, LOOP_END_FAILED);
    ck_assert_msg(group->is_slow, "a failure that took long");
}
END_TEST

START_TEST(jitter_shortens_and_never_lengthens)
{
    int64_t least = INT64_MAX, greatest = 0;
    srandom(7);
    for (int i = 0; i < 1000; i++) {
        loop_group_begin(group, AT(100));
        loop_group_note_success(group, 1);
        loop_group_end(group, LOOP_END_DONE, AT(101), (uint64_t)random() << 20);
        const int64_t due = loop_group_next(group);
        least = due < least ? due : least;
        greatest = due > greatest ? due : greatest;
        const int64_t pause = loop_backoff_ns(&times, 3, (uint64_t)random() << 20);
        ck_assert_msg(pause >= AT(4) && pause <= AT(8), "a pause of %lld", (long long)pause);
    }
    ck_assert_msg(least >= AT(154) && greatest <= AT(160) && greatest - least > AT(4),
                  "from %lld to %lld", (long long)least, (long long)greatest);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        group_is_due_an_interval_after_its_round_began,
        group_is_due_a_hint_interval_after_its_round_when_hinted,
        group_hinted_while_its_round_runs_is_due_again,
        group_that_somebody_else_works_at_keeps_its_hint,
        group_change_is_answered_by_a_round_that_began_after_the_look,
        group_change_keeps_its_first_time,
        group_hint_is_not_answered_by_others,
        group_counts_its_interval_from_the_last_round_of_anybody,
        group_that_fails_is_left_alone_longer_and_longer,
        group_that_was_mended_is_tried_at_once,
        group_is_failing_after_three_failures_nobody_else_did_better,
        group_is_slow_after_a_round_longer_than_a_hint_interval,
        jitter_shortens_and_never_lengthens,
    };
    Suite *s = suite_create("loop_group");
    TCase *tc = tcase_create("loop_group");
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
