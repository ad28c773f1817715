/* test_plan_diff.c - the sentence about the first difference of two plans. */
#include <string.h>

#include "server/berthctl/plan_diff.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

/* Each makes another plan of the sample's: session 10 INVALID, 13 WAITING, 11 SCHEDULED (4
 * kernels), 12 WAITING. */
static void nothing(struct plan *p)
{
    (void)p;
}
static void other_words(struct plan *p)
{
    static const struct cause causes[] = {
        {.kind = CAUSE_BAD_DATA, .plugin = "x", .subject = "y", .message = "z"}};
    p->decisions[0].causes = causes;
}
static void other_outcome(struct plan *p)
{
    p->decisions[0].outcome = OUTCOME_EXPIRED;
}
static void placed_no_more(struct plan *p)
{
    p->decisions[2].outcome = OUTCOME_WAITING;
    p->decisions[2].n_placements = 0;
    p->decisions[2].causes = p->decisions[3].causes;
    p->decisions[2].n_causes = 1;
}
static void other_kind(struct plan *p)
{
    static const struct cause causes[] = {
        {.kind = CAUSE_NO_KERNELS, .plugin = "plan", .message = "It has\nno kernels."}};
    p->decisions[0].causes = causes;
}
static void fewer_causes(struct plan *p)
{
    p->decisions[1].n_causes = 1;
}
static void more_causes(struct plan *p)
{
    p->decisions[3].n_causes = 2;
}
static void other_agent(struct plan *p)
{
    p->placements[3].agent = 0;
}
static void other_order(struct plan *p)
{
    struct decision d = p->decisions[0];
    p->decisions[0] = p->decisions[1];
    p->decisions[1] = d;
}
static void other_cursor(struct plan *p)
{
    p->rr_cursors[0].agent_id = "a2";
}
static void no_cursor(struct plan *p)
{
    p->n_rr_cursors = 1;
}
static void cursor_elsewhere(struct plan *p)
{
    p->rr_cursors[1].arch = 3;
}

static const struct {
    const char *what;
    void (*change)(struct plan *p);
    const char *sentence; /* NULL: no difference */
} cases[] = {
    {"another outcome", other_outcome,
     "Session 00000000-0000-0000-0000-00000000000a (bad \"row\" ): then INVALID, BAD_DATA by "
     "snapshot: A row is bad.; now EXPIRED, BAD_DATA by snapshot: A row is bad."},
    {"a placement that is gone", placed_no_more,
     "Session 00000000-0000-0000-0000-00000000000b (late): then SCHEDULED on a1; now WAITING, "
     "CAPACITY by resources: No room \"now\"."},
    {"another kind of cause, over two lines", other_kind,
     "Session 00000000-0000-0000-0000-00000000000a (bad \"row\" ), INVALID, cause 1: then BAD_DATA "
     "by snapshot: A row is bad.; now NO_KERNELS by plan: It has no kernels."},
    {"a cause less", fewer_causes,
     "Session 00000000-0000-0000-0000-00000000000d, WAITING, cause 2: then PLUGIN by curfew: ; now "
     "none"},
    {"a cause more", more_causes,
     "Session 00000000-0000-0000-0000-00000000000c (same time), WAITING, cause 2: then none; now "
     "PLUGIN by curfew: "},
    {"a kernel on another agent", other_agent,
     "Session 00000000-0000-0000-0000-00000000000b (late), kernel sub2: then on "
     "\xC3\xA9t\xC3\xA9; now on a1"},
    {"another order", other_order,
     "Decision 1: then about session 00000000-0000-0000-0000-00000000000a (bad \"row\" ); now "
     "about session 00000000-0000-0000-0000-00000000000d"},
    {"a cursor elsewhere", other_cursor, "Cursor of aarch64: then after a10; now after a2"},
    {"a cursor less", no_cursor, "Cursor of old: then after gone; now not set"},
    {"a cursor of another architecture", cursor_elsewhere,
     "Cursor of old: then after gone; now not set"},
    {"nothing", nothing, NULL},
    {"words that the hash does not know", other_words, NULL},
};

START_TEST(plan_difference_says_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct plan *then = sample_plan(s, a), *now = sample_plan(s, a);
    cases[_i].change(now);
    const char *got = plan_difference(s, then, now, a);
    ck_assert_msg((got == NULL) == (plan_hash(s, now) == then->hash),
                  "%s: the hash sees it otherwise", cases[_i].what);
    ck_assert_msg((got == NULL) == (cases[_i].sentence == NULL), "%s: %s", cases[_i].what,
                  got != NULL ? got : "no difference");
    ck_assert_msg(got == NULL || strcmp(got, cases[_i].sentence) == 0, "%s: %s", cases[_i].what,
                  got);
}
END_TEST

START_TEST(plan_difference_is_the_first)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct plan *then = sample_plan(s, a), *now = sample_plan(s, a);
    other_cursor(now);
    other_agent(now);
    fewer_causes(now);
    const char *got = plan_difference(s, then, now, a);
    ck_assert_msg(got != NULL && strstr(got, "00000000000d, WAITING, cause 2") != NULL, "%s", got);
}
END_TEST

static const struct {
    const char *what;
    const char *then[3], *now[3];
    const char *lost;
} validators[] = {
    {"the second is gone", {"a", "b"}, {"a"}, "b"},
    {"all are gone", {"a", "b"}, {NULL}, "a"},
    {"another name", {"a", "b"}, {"a", "c"}, "b"},
    {"the same", {"a", "b"}, {"a", "b"}, NULL},
    {"another order", {"a", "b"}, {"b", "a"}, NULL},
    {"one more", {"a"}, {"a", "b"}, NULL},
    {"none then", {NULL}, {"b"}, NULL},
};

static struct plan with_validators(const char *const *names)
{
    struct plan p = {.validators = names};
    while (names[p.n_validators] != NULL)
        p.n_validators++;
    return p;
}

START_TEST(plan_lost_validator_finds_as_tabled)
{
    struct plan then = with_validators(validators[_i].then);
    struct plan now = with_validators(validators[_i].now);
    const char *got = plan_lost_validator(&then, &now);
    const char *want = validators[_i].lost;
    ck_assert_msg(want == NULL ? got == NULL : got != NULL && strcmp(got, want) == 0, "%s: %s",
                  validators[_i].what, got != NULL ? got : "none");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, plan_difference_says_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, plan_difference_is_the_first);
    tcase_add_loop_test(tc, plan_lost_validator_finds_as_tabled, 0, ARRAY_SIZE(validators));
}

int main(void)
{
    return unit_run("berthctl_plan_diff", add_tests);
}
