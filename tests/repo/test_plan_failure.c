/* test_plan_failure.c - the texts that a chunk records for its decisions, without a database. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repo/failure_record.h"
#include "repo/plan_chunk.h"
#include "tests/repo/support.h"

enum { MOST = 4 };

#define AT "2026-08-23T04:05:06.000000Z"

static const char *const validators[] = {"dependencies", "concurrency", "keypair"};
static const struct cause room[] = {
    {CAUSE_CAPACITY, "resources", "a1", "no \"room\"", NULL, 0, true}};
static const struct cause room_again[] = {
    {CAUSE_CAPACITY, "resources", "a1", "not now", NULL, 0, true}};
static const struct cause limits[] = {
    {CAUSE_CONCURRENCY, "concurrency", "AK1", "runs 3 of 3", NULL, 0, true},
    {CAUSE_NO_AGENTS, "resources", "", "none", NULL, 0, false},
    {CAUSE_KEYPAIR_QUOTA, "keypair", "AK1", "6 of 6 cpu", NULL, 0, true}};

struct chunk { /* as many sessions as decisions, one each */
    struct session sessions[MOST];
    struct snapshot s;
    struct plan plan;
    struct commit_input in;
    struct decision decisions[MOST];
    struct chunk_item items[MOST];
    struct plan_chunk c;
    struct arena *a;
};

static void chunk_close(struct chunk *k)
{
    arena_destroy(k->a);
}

/* The texts of these decisions, described as one chunk. */
static void describe(struct chunk *k, const struct decision *decisions, uint32_t n)
{
    *k = (struct chunk){.a = arena_create()};
    k->s = (struct snapshot){.observed_at = INT64_C(1787457906000000),
                             .group_id = {{1, 2, 3, 4}},
                             .sessions = k->sessions,
                             .n_sessions = n};
    k->plan = (struct plan){.validators = validators, .n_validators = ARRAY_SIZE(validators)};
    k->in = (struct commit_input){.snapshot = &k->s, .plan = &k->plan};
    for (uint32_t i = 0; i < n; i++) {
        k->decisions[i] = decisions[i];
        k->items[i] = (struct chunk_item){.d = &k->decisions[i], .planned = decisions[i]};
    }
    k->c = (struct plan_chunk){.in = &k->in,
                               .s = &k->s,
                               .items = k->items,
                               .n = n,
                               .failure_rounds = 12,
                               .run = k->a,
                               .result = k->a};
    chunk_describe(&k->c);
}

/* --- what is recorded --- */

#define STEP(name, result, code, message)                                                          \
    "{\"step\":\"" name "\",\"result\":\"" result "\",\"error_code\":" code                        \
    ",\"message\":" message ",\"started_at\":\"" AT "\",\"ended_at\":\"" AT "\"}"
#define PASSED(name) STEP(name, "SUCCESS", "null", "null")
#define DATA(failed, passed, message)                                                              \
    "{\"scheduler\":{\"last_try\":\"" AT "\",\"failed_predicates\":[" failed                       \
    "],\"passed_predicates\":[" passed "],\"msg\":\"" message "\""

static const struct {
    const char *what;
    struct decision d;
    const char *steps, *data; /* data: what sessions and kernels share; NULL: none is written */
} texts[] = {
    {"a placement is one step, whoever passed it",
     {.outcome = OUTCOME_SCHEDULED, .passed = 7},
     "[" PASSED("allocation") "]",
     NULL},
    {"an end records its causes and no failure",
     {.outcome = OUTCOME_EXPIRED, .causes = room, .n_causes = 1},
     "[" STEP("resources", "FAILURE", "\"CAPACITY\"", "\"no \\\"room\\\"\"") "]",
     NULL},
    {"a failure without a cause says nothing",
     {.outcome = OUTCOME_WAITING},
     "[]",
     DATA("", "", "")},
    {"a filter that says no is no predicate",
     {.outcome = OUTCOME_WAITING, .causes = room, .n_causes = 1, .passed = 5},
     "[" PASSED("dependencies") "," PASSED("keypair") "," STEP(
         "resources", "FAILURE", "\"CAPACITY\"", "\"no \\\"room\\\"\"") "]",
     DATA("", "{\"name\":\"dependencies\"},{\"name\":\"keypair\"}", "no \\\"room\\\"")},
    {"a bit of no validator counts for nothing",
     {.outcome = OUTCOME_WAITING, .passed = UINT64_MAX},
     "[" PASSED("dependencies") "," PASSED("concurrency") "," PASSED("keypair") "]",
     DATA("", "{\"name\":\"dependencies\"},{\"name\":\"concurrency\"},{\"name\":\"keypair\"}", "")},
    {"validators that say no are, each with its sentence",
     {.outcome = OUTCOME_BLOCKED, .causes = limits, .n_causes = 3, .passed = 1},
     "[" PASSED("dependencies") "," STEP(
         "concurrency", "FAILURE", "\"CONCURRENCY\"",
         "\"runs 3 of 3\"") "," STEP("resources", "FAILURE", "\"NO_AGENTS\"",
                                     "\"none\"") "," STEP("keypair", "FAILURE", "\"KEYPAIR_QUOTA\"",
                                                          "\"6 of 6 cpu\"") "]",
     DATA("{\"name\":\"concurrency\",\"msg\":\"runs 3 of 3\"},"
          "{\"name\":\"keypair\",\"msg\":\"6 of 6 cpu\"}",
          "{\"name\":\"dependencies\"}", "runs 3 of 3")},
    {"the first validator can say no, too",
     {.outcome = OUTCOME_INVALID,
      .causes =
          (const struct cause[]){{CAUSE_DEPENDENCY, "dependencies", "x", "waits", NULL, 0, true}},
      .n_causes = 1},
     "[" STEP("dependencies", "FAILURE", "\"DEPENDENCY\"", "\"waits\"") "]",
     DATA("{\"name\":\"dependencies\",\"msg\":\"waits\"}", "", "waits")},
};

static void expect_text(const char *what, const char *which, const char *got, const char *wanted)
{
    ck_assert_msg(got != NULL && wanted != NULL ? strcmp(got, wanted) == 0 : got == wanted,
                  "%s: %s: expected %s, got %s", what, which, wanted != NULL ? wanted : "nothing",
                  got != NULL ? got : "nothing");
}

START_TEST(decision_is_recorded_as_tabled)
{
    const char *what = texts[_i].what, *data = texts[_i].data;
    CLEANUP(chunk_close) struct chunk k;
    describe(&k, &texts[_i].d, 1);
    expect_text(what, "steps", k.c.texts[0]->steps, texts[_i].steps);
    if (data == NULL) {
        expect_text(what, "status_data", k.c.texts[0]->session_data, NULL);
        expect_text(what, "status_data of kernels", k.c.texts[0]->kernel_data, NULL);
        return;
    }
    expect_text(what, "status_data of kernels", k.c.texts[0]->kernel_data,
                arena_printf(k.a, "%s}}", data));
    const struct decision *d = &texts[_i].d;
    const char *own =
        arena_printf(k.a, "%s,\"digest\":\"%016" PRIx64 "\",\"counted\":\"%s\",\"causes\":[", data,
                     causes_digest(d->causes, d->n_causes),
                     failure_counted(&k.s.group_id, 12, failure_digest(d), k.a));
    ck_assert_msg(strncmp(k.c.texts[0]->session_data, own, strlen(own)) == 0,
                  "%s: status_data: expected %s..., got %s", what, own, k.c.texts[0]->session_data);
}
END_TEST

/* --- who shares a text --- */

static const struct {
    const char *what;
    struct decision of[2];
    bool shared;
} pairs[] = {
    {"the same decision twice",
     {{.outcome = OUTCOME_WAITING, .causes = room, .n_causes = 1, .passed = 3},
      {.outcome = OUTCOME_WAITING, .causes = room, .n_causes = 1, .passed = 3}},
     true},
    {"two placements, whoever passed them",
     {{.outcome = OUTCOME_SCHEDULED, .passed = 3}, {.outcome = OUTCOME_SCHEDULED, .passed = 1}},
     true},
    {"other validators passed",
     {{.outcome = OUTCOME_WAITING, .causes = room, .n_causes = 1, .passed = 3},
      {.outcome = OUTCOME_WAITING, .causes = room, .n_causes = 1, .passed = 1}},
     false},
    {"other causes",
     {{.outcome = OUTCOME_WAITING, .causes = room, .n_causes = 1},
      {.outcome = OUTCOME_WAITING, .causes = room_again, .n_causes = 1}},
     false},
    {"fewer of the same causes",
     {{.outcome = OUTCOME_BLOCKED, .causes = limits, .n_causes = 3},
      {.outcome = OUTCOME_BLOCKED, .causes = limits, .n_causes = 2}},
     false},
    {"another outcome of the same causes",
     {{.outcome = OUTCOME_WAITING, .causes = room, .n_causes = 1},
      {.outcome = OUTCOME_EXPIRED, .causes = room, .n_causes = 1}},
     false},
};

START_TEST(decisions_share_a_text_when_they_say_the_same)
{
    CLEANUP(chunk_close) struct chunk k;
    describe(&k, pairs[_i].of, 2);
    ck_assert_msg((k.c.texts[0] == k.c.texts[1]) == pairs[_i].shared, "%s: %s", pairs[_i].what,
                  pairs[_i].shared ? "each has its own" : "one speaks for the other");
}
END_TEST

START_TEST(lost_decision_has_no_text)
{
    const struct decision d[] = {{.outcome = OUTCOME_SCHEDULED}, {.outcome = OUTCOME_SCHEDULED}};
    CLEANUP(chunk_close) struct chunk k;
    describe(&k, d, 2);
    k.items[0].lost = "The session is gone.";
    chunk_describe(&k.c);
    ck_assert_msg(k.c.texts[0] == NULL, "a lost decision is described");
    ck_assert_msg(k.c.texts[1] != NULL, "the one behind a lost decision is not described");
}
END_TEST

START_TEST(failure_is_called_as_the_manager_calls_it)
{
    ck_assert_str_eq(failure_info(OUTCOME_BLOCKED), "predicate-checks-failed");
    ck_assert_str_eq(failure_info(OUTCOME_WAITING), "no-available-instances");
    ck_assert_str_eq(failure_info(OUTCOME_INFEASIBLE), "no-available-instances");
    ck_assert_str_eq(failure_info(OUTCOME_INVALID), "scheduler-error");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_failure");
    TCase *tc = tcase_create("plan_failure");
    tcase_add_loop_test(tc, decision_is_recorded_as_tabled, 0, ARRAY_SIZE(texts));
    tcase_add_loop_test(tc, decisions_share_a_text_when_they_say_the_same, 0, ARRAY_SIZE(pairs));
    tcase_add_test(tc, lost_decision_has_no_text);
    tcase_add_test(tc, failure_is_called_as_the_manager_calls_it);
    suite_add_tcase(s, tc);
    return support_run(s, 0);
}
