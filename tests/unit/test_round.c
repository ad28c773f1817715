/* test_round.c - the pass itself: expiry, bands, queue policies, budgets, the order of decisions,
 * counts, time spent. Plugins that misbehave are in test_plugins.c. */
#include <string.h>

#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define TOP  "option queue_policy \"top-priority\";"
#define STOP "option queue_policy \"stop-at-first\";"

static const struct scene_case cases[] = {
    {"nothing to do", "agent a cpu=1", ""},
    /* step 3 */
    {"a session that waited exactly the timeout expires",
     "group timeout=100; agent a cpu=1; session 1 at=900 cpu=1",
     "1 EXPIRED PENDING_TIMEOUT@pending_timeout()!"},
    {"a microsecond less and it does not",
     "group timeout=100; agent a cpu=1; session 1 at=900.000001 cpu=1", "1 SCHEDULED a"},
    {"the wait counts from the last time it became pending",
     "group timeout=100; agent a cpu=1; session 1 at=1 since=950 cpu=1", "1 SCHEDULED a"},
    {"timeout 0 is none", "group timeout=0; agent a cpu=1; session 1 at=1 cpu=1", "1 SCHEDULED a"},
    {"a negative timeout is none", "group timeout=-5; agent a cpu=1; session 1 at=1 cpu=1",
     "1 SCHEDULED a"},
    {"sessions expire without any agent, too", "group timeout=100; session 1 at=1 cpu=1",
     "1 EXPIRED PENDING_TIMEOUT@pending_timeout()!"},
    {"expired ones are decided first, by age, and take no room",
     "group timeout=100; agent a cpu=1; session 1 at=950 cpu=1; session 2 at=20 cpu=1; session 3 "
     "at=10 prio=99 cpu=1",
     "3 EXPIRED PENDING_TIMEOUT@pending_timeout()!\n2 EXPIRED "
     "PENDING_TIMEOUT@pending_timeout()!\n1 SCHEDULED a"},
    {"a timestamp from the future does not expire",
     "group timeout=1; agent a cpu=1; session 1 at=99999 cpu=1", "1 SCHEDULED a"},
    {"unreadable sessions come after expired ones",
     "group timeout=100; agent a cpu=1; session 1 at=950 bad cpu=1; session 2 at=1 bad cpu=1; "
     "session 3 at=951 cpu=1",
     "2 EXPIRED PENDING_TIMEOUT@pending_timeout()!\n1 INVALID BAD_DATA@snapshot()!\n3 SCHEDULED a"},
    /* step 4 */
    {"try-all is the default: a lower band is tried",
     "agent a cpu=2; session 1 prio=9 cpu=1; session 2 prio=99 cpu=9; session 3 cpu=1 prio=50",
     "2 INFEASIBLE INFEASIBLE@resources(a cpu 9/2/2)!\n3 SCHEDULED a\n1 SCHEDULED a"},
    {"try-all by name",
     "option queue_policy \"try-all\"; agent a cpu=9; session 1 prio=9 cpu=1; session 2 prio=99 "
     "cpu=1",
     "2 SCHEDULED a\n1 SCHEDULED a"},
    {"top-priority: the highest band present only",
     TOP "agent a cpu=9; session 1 prio=9 cpu=1; session 2 prio=50 cpu=1; session 3 prio=50 "
         "cpu=99; session 4 prio=20 cpu=1",
     "2 SCHEDULED a\n3 INFEASIBLE INFEASIBLE@resources(a cpu 99/9/9)!\n"
     "4 SKIPPED QUEUE_POLICY@queue_policy()\n1 SKIPPED QUEUE_POLICY@queue_policy()"},
    {"top-priority: expired and unreadable sessions are no band",
     TOP "group timeout=100; agent a cpu=9; session 1 at=950 cpu=1; session 2 at=1 prio=99; "
         "session 3 at=951 prio=98 bad",
     "2 EXPIRED PENDING_TIMEOUT@pending_timeout()!\n3 INVALID BAD_DATA@snapshot()!\n1 SCHEDULED a"},
    {"stop-at-first: the first that waits ends the pass",
     STOP "agent a cpu=3; session 1 cpu=2; session 2 cpu=2; session 3 cpu=1; session 4 prio=9 "
          "cpu=1; session 5 prio=11 cpu=1",
     "5 SCHEDULED a\n1 SCHEDULED a\n2 WAITING CAPACITY@resources(a cpu 2/0/3)\n"
     "3 SKIPPED QUEUE_POLICY@queue_policy()\n4 SKIPPED QUEUE_POLICY@queue_policy()"},
    {"stop-at-first: blocked, infeasible and invalid ones do not",
     STOP "agent a cpu=3; session 1 batch cpu=1 start=2000; session 2 cpu=9; session 3 empty; "
          "session 4 cpu=1",
     "1 BLOCKED NOT_BEFORE@reserved_batch()\n2 INFEASIBLE INFEASIBLE@resources(a cpu 9/3/3)!\n"
     "3 INVALID NO_KERNELS@plan()!\n4 SCHEDULED a"},
    {"stop-at-first: a private session that is cancelled does not",
     STOP "agent a cpu=3; key k max_sftp=1 live_sftp=1; session 1 private cpu=1; session 2 cpu=1",
     "1 CANCELLED CONCURRENCY@concurrency(k)\n2 SCHEDULED a"},
    {"skipped ones by priority, age and id, however they would be tried",
     STOP "group scheduler=lifo; agent a cpu=1 held.cpu=1; session 1 cpu=1; session 2 cpu=1; "
          "session 3 cpu=1; session 4 "
          "prio=5 cpu=1; session 5 prio=7",
     "3 WAITING CAPACITY@resources(a cpu 1/0/1)\n1 SKIPPED QUEUE_POLICY@queue_policy()\n"
     "2 SKIPPED QUEUE_POLICY@queue_policy()\n5 SKIPPED QUEUE_POLICY@queue_policy()\n"
     "4 SKIPPED QUEUE_POLICY@queue_policy()"},
    {"a private session that finds no room stays pending",
     "agent a cpu=1 held.cpu=1; session 1 private cpu=1",
     "1 WAITING CAPACITY@resources(a cpu 1/0/1)"},
};

START_TEST(rounds_go_as_tabled)
{
    scene_expect(&cases[_i], NULL);
}
END_TEST

static const struct {
    const char *what, *scene, *messages;
} sentences[] = {
    {"whole seconds", "group timeout=100; session 1 at=1",
     "Waited longer than the pending timeout of 100 s."},
    {"parts of seconds", "group timeout=0.25; session 1 at=1",
     "Waited longer than the pending timeout of 0.25 s."},
    {"microseconds", "group timeout=0.000001; session 1 at=1",
     "Waited longer than the pending timeout of 0.000001 s."},
    {"an unreadable session", "session 1 bad", "session 1 is unreadable"},
    {"top-priority", TOP "session 1; session 2 prio=70",
     "Only the highest priority in the queue, 70, is tried: queue_policy is top-priority."},
    {"stop-at-first", STOP "session 1; session 2 prio=70",
     "The round stopped at the first session that has to wait: queue_policy is stop-at-first."},
};

START_TEST(rounds_speak_as_tabled)
{
    scene_expect_messages(sentences[_i].what, sentences[_i].scene, NULL, 1, sentences[_i].messages);
}
END_TEST

/* --- budgets --- */

static const struct {
    const char *what, *scene;
    uint32_t max_sessions;
    int stop_after; /* calls of the stop hook that say no; -1: no hook */
    const char *plan;
} budgets[] = {
    {"no budget", "agent a cpu=9; session 1 cpu=1; session 2 cpu=1", 0, -1,
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"a budget of all", "agent a cpu=9; session 1 cpu=1; session 2 cpu=1", 2, -1,
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"a budget of one", "agent a cpu=9; session 1 cpu=1; session 2 cpu=1; session 3 prio=9 cpu=1",
     1, -1,
     "1 SCHEDULED a\n2 SKIPPED ROUND_LIMIT@round_limit()\n3 SKIPPED ROUND_LIMIT@round_limit()"},
    {"who was offered to nobody does not count",
     "group timeout=900; agent a cpu=9; session 1 at=1 cpu=1; session 2 at=500 bad; session 3 "
     "at=501 cpu=1",
     1, -1,
     "1 EXPIRED PENDING_TIMEOUT@pending_timeout()!\n2 INVALID BAD_DATA@snapshot()!\n3 SCHEDULED a"},
    {"who failed counts", "agent a cpu=9; session 1 cpu=99; session 2 cpu=1", 1, -1,
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 99/9/9)!\n2 SKIPPED ROUND_LIMIT@round_limit()"},
    {"a lower band that top-priority would not try says so",
     TOP "agent a cpu=9; session 1 cpu=1; session 2 cpu=1; session 3 prio=9", 1, -1,
     "1 SCHEDULED a\n2 SKIPPED ROUND_LIMIT@round_limit()\n3 SKIPPED QUEUE_POLICY@queue_policy()"},
    {"a pass that had stopped before its budget ended",
     STOP "agent a cpu=1 held.cpu=1; session 1 cpu=1; session 2 cpu=1", 1, -1,
     "1 WAITING CAPACITY@resources(a cpu 1/0/1)\n2 SKIPPED QUEUE_POLICY@queue_policy()"},
    {"time is up at once", "agent a cpu=9; session 1 cpu=1", 0, 0,
     "1 SKIPPED ROUND_LIMIT@round_limit()"},
    {"time is up after one", "agent a cpu=9; session 1 cpu=1; session 2 cpu=1", 0, 1,
     "1 SCHEDULED a\n2 SKIPPED ROUND_LIMIT@round_limit()"},
    {"time enough", "agent a cpu=9; session 1 cpu=1; session 2 cpu=1", 0, 99,
     "1 SCHEDULED a\n2 SCHEDULED a"},
};

static bool stop_when_used_up(void *ctx)
{
    int *left = ctx;
    return (*left)-- <= 0;
}

START_TEST(budgets_end_a_round_without_losing_anything)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(budgets[_i].scene, a);
    int left = budgets[_i].stop_after;
    struct round_hooks hooks = {.ctx = &left, .stop = left >= 0 ? stop_when_used_up : NULL};
    struct round_limits limits = {.max_sessions = budgets[_i].max_sessions};
    struct plan *p = NULL;
    struct err e = {0};
    ck_assert_msg(round_run(s, scene_policy(s, NULL, a), &limits, &hooks, a, &p, NULL, &e) == 0,
                  "%s", e.message);
    const char *got = scene_plan_text(s, p, a);
    ck_assert_msg(strcmp(got, budgets[_i].plan) == 0, "%s:\n--- want\n%s\n--- got\n%s",
                  budgets[_i].what, budgets[_i].plan, got);
}
END_TEST

/* --- counts and time --- */

START_TEST(outcomes_are_counted)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct plan *p =
        scene_run(STOP "group timeout=900; agent a cpu=2; key k max_sftp=1 live_sftp=1;"
                       "session 1 at=1; session 2 at=200 cpu=1; session 3 at=201 cpu=1; session 4 "
                       "at=202 batch start=5000;"
                       "session 5 at=203 cpu=9; session 6 at=204 empty; session 7 at=205 bad; "
                       "session 8 at=206 private;"
                       "session 9 at=207 cpu=1; session 10 at=208; session 11 at=209",
                  NULL, a, NULL);
    static const uint32_t want[N_OUTCOMES] = {
        [OUTCOME_SCHEDULED] = 2,  [OUTCOME_WAITING] = 1, [OUTCOME_BLOCKED] = 1,
        [OUTCOME_INFEASIBLE] = 1, [OUTCOME_INVALID] = 2, [OUTCOME_EXPIRED] = 1,
        [OUTCOME_CANCELLED] = 1,  [OUTCOME_SKIPPED] = 2};
    for (int i = 0; i < N_OUTCOMES; i++)
        ck_assert_msg(p->counts[i] == want[i], "%s: %u", outcome_name((enum outcome)i),
                      p->counts[i]);
    ck_assert_msg(p->n_decisions == 11, "%u decisions of 11 sessions", p->n_decisions);
    ck_assert_msg(p->hash != 0, "the plan has no fingerprint");
}
END_TEST

static int64_t tick(void *ctx)
{
    return ++*(int64_t *)ctx;
}

START_TEST(time_is_spent_in_phases_and_changes_nothing)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(
        "agent a cpu=1; session 1 cpu=1; session 2 batch start=5000; session 3 cpu=1", a);
    int64_t now = 0, phases[N_ROUND_PHASES] = {7, 7, 7, 7};
    struct round_hooks hooks = {.ctx = &now, .clock = tick};
    struct plan *timed = NULL, *plain = NULL;
    struct policy *policy = scene_policy(s, NULL, a);
    ck_assert_int_eq(round_run(s, policy, NULL, &hooks, a, &timed, phases, NULL), 0);
    ck_assert_msg(phases[PHASE_EXPIRE] == 1, "expire %ld", (long)phases[PHASE_EXPIRE]);
    ck_assert_msg(phases[PHASE_ORDER] == 5, "order %ld", (long)phases[PHASE_ORDER]);
    ck_assert_msg(phases[PHASE_VALIDATE] == 3, "validate %ld", (long)phases[PHASE_VALIDATE]);
    ck_assert_msg(phases[PHASE_PLACE] == 2, "place %ld", (long)phases[PHASE_PLACE]);
    ck_assert_int_eq(round_run(s, policy, NULL, NULL, a, &plain, phases, NULL), 0);
    ck_assert_msg(phases[PHASE_PLACE] == 0, "without a clock, place is %ld",
                  (long)phases[PHASE_PLACE]);
    ck_assert_msg(timed->hash == plain->hash, "the clock decided something");
    ck_assert_int_eq(round_run(s, policy, NULL, &hooks, a, &plain, NULL, NULL), 0);
}
END_TEST

START_TEST(order_is_what_the_round_would_try)
{
    static const struct {
        const char *what, *scene, *order;
    } t[] = {
        {"nothing", "agent a cpu=1", ""},
        {"expired, unreadable, then the bands",
         TOP "group timeout=900; session 1 at=500; session 2 at=501 prio=99; session 3 at=1; "
             "session 4 at=502 bad; session 5 "
             "at=503",
         "3 4 2 1 5 "},
        {"by the sequencer", "group scheduler=lifo; session 1; session 2; session 3 prio=99",
         "3 2 1 "},
        {"drf without anything placed: one key after the other",
         "group scheduler=drf; agent a cpu=9; session 1 key=A cpu=1; session 2 key=A cpu=1; "
         "session 3 key=B cpu=1",
         "1 2 3 "},
    };
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        const struct snapshot *s = scene_snapshot(t[i].scene, a);
        uint32_t *order = NULL;
        char *got = arena_strdup(a, "");
        ck_assert_int_eq(round_order(s, scene_policy(s, NULL, a), a, &order, NULL), 0);
        for (uint32_t k = 0; k < s->n_sessions; k++)
            got = arena_printf(a, "%s%u ", got, s->sessions[order[k]].id.b[15]);
        ck_assert_msg(strcmp(got, t[i].order) == 0, "%s: want %s, got %s", t[i].what, t[i].order,
                      got);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, rounds_go_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, rounds_speak_as_tabled, 0, ARRAY_SIZE(sentences));
    tcase_add_loop_test(tc, budgets_end_a_round_without_losing_anything, 0, ARRAY_SIZE(budgets));
    tcase_add_test(tc, outcomes_are_counted);
    tcase_add_test(tc, time_is_spent_in_phases_and_changes_nothing);
    tcase_add_test(tc, order_is_what_the_round_would_try);
}

int main(void)
{
    return unit_run("round", add);
}
