/* test_failure_record.c - a failure that says what the rows say already is counted, not written. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repo/failure_record.h"
#include "tests/repo/world.h"

/* --- the text of the count --- */

static const struct {
    const char *what, *text;
    int32_t carried; /* with 57 rounds counted by now and 4 retries in the row */
    uint64_t digest;
} texts[] = {
    {"no text", NULL, 0, 0},
    {"an empty text", "", 0, 0},
    {"another group", "ffffffff:50:00000000000000ff", 0, 0},
    {"a group alone", "01020304", 0, 0},
    {"no digest", "01020304:50", 0, 0},
    {"a short digest", "01020304:50:ff", 0, 0},
    {"a digest that is none", "01020304:50:000000000000xyzf", 0, 0},
    {"no number", "01020304::00000000000000ff", 0, 0},
    {"a number beyond all", "01020304:99999999999999999999:00000000000000ff", 0, 0},
    {"a negative number", "01020304:-1:00000000000000ff", 0, 0},
    {"a count that is yet to come", "01020304:58:00000000000000ff", 0, 0},
    {"counted in the group's first round", "01020304:0:00000000000000ff", 57, 255},
    {"just written", "01020304:57:00000000000000ff", 0, 255},
    {"seven rounds ago", "01020304:50:00000000000000ff", 7, 255},
};

static const struct uuid group = {{1, 2, 3, 4, 5}};

START_TEST(a_count_is_read_as_tabled)
{
    struct session s = {.retries = 4};
    struct session_rare rare = session_rare_none;
    errno = ERANGE; /* of somebody else */
    failure_counted_read(texts[_i].text, &group, 57, &s, &rare);
    ck_assert_msg(rare.carried == texts[_i].carried, "%s: carried %d", texts[_i].what,
                  rare.carried);
    ck_assert_msg(s.retries == 4 + texts[_i].carried, "%s: retries %d", texts[_i].what, s.retries);
    ck_assert_msg(rare.record_digest == texts[_i].digest, "%s: digest %016" PRIx64, texts[_i].what,
                  rare.record_digest);
}
END_TEST

START_TEST(a_count_that_was_written_is_read)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct session s = {.retries = INT32_MAX - 3};
    struct session_rare rare = session_rare_none;
    failure_counted_read(failure_counted(&group, 12, UINT64_MAX, a), &group, 40, &s, &rare);
    ck_assert_msg(rare.record_digest == UINT64_MAX, "digest %016" PRIx64, rare.record_digest);
    ck_assert_msg(s.retries == INT32_MAX - 1, "retries stop before they overflow: %d", s.retries);
}
END_TEST

/* --- the digest --- */

START_TEST(a_digest_tells_apart_what_a_person_would)
{
    static const struct shortage slots[] = {
        {.slot = 1, .requested = 5, .available = 3, .limit = 9},
        {.slot = 1, .requested = 5, .available = 4, .limit = 9},
        {.slot = 2, .requested = 5, .available = 3, .limit = 9},
        {.slot = 1, .requested = 6, .available = 3, .limit = 9},
        {.slot = 1, .requested = 5, .available = 3, .limit = 8}};
    static const struct cause base = {.kind = CAUSE_CAPACITY,
                                      .plugin = "resources",
                                      .subject = "a1",
                                      .message = "m",
                                      .slots = &slots[0],
                                      .n_slots = 1};
    struct cause causes[10] = {base, base, base, base, base, base, base, base, base, base};
    causes[1].kind = CAUSE_INFEASIBLE;
    causes[2].subject = "a2";
    causes[3].message = "n";
    causes[4].slots = &slots[1];
    causes[5].retryable = true;
    causes[6].plugin = "other";
    for (int i = 7; i < 10; i++)
        causes[i].slots = &slots[i - 5];
    uint64_t seen[14];
    uint32_t n = 0;
    for (int i = 0; i < 10; i++)
        seen[n++] = failure_digest(
            &(struct decision){.outcome = OUTCOME_WAITING, .causes = &causes[i], .n_causes = 1});
    seen[n++] = failure_digest(
        &(struct decision){.outcome = OUTCOME_BLOCKED, .causes = &base, .n_causes = 1});
    seen[n++] = failure_digest(&(struct decision){
        .outcome = OUTCOME_WAITING, .causes = &base, .n_causes = 1, .passed = 1});
    seen[n++] = failure_digest(&(struct decision){.outcome = OUTCOME_WAITING});
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            ck_assert_msg(seen[i] != seen[k], "decisions %u and %u look the same", k, i);
    const struct cause copy = base;
    ck_assert_msg(seen[0] == failure_digest(&(struct decision){
                                 .outcome = OUTCOME_WAITING, .causes = &copy, .n_causes = 1}),
                  "the same decision looks different");
}
END_TEST

/* Rows hold it: another version of Berth must know its own failures again. */
START_TEST(a_digest_is_the_same_in_every_version)
{
    const struct cause c = {.kind = CAUSE_CAPACITY, .plugin = "resources", .message = "m"};
    const struct decision d = {
        .outcome = OUTCOME_WAITING, .causes = &c, .n_causes = 1, .passed = 3};
    ck_assert_msg(failure_digest(&d) == UINT64_C(0xd94b51ac393f17de), "it is %016" PRIx64,
                  failure_digest(&d));
}
END_TEST

/* --- who is carried --- */

/* Of an id that ends in 5 a record is refreshed after 64 + 5 failures. */
static const struct {
    const char *what;
    int32_t carried;
    bool same, recorded;
} carries[] = {
    {"another failure", 0, false, false},
    {"the same failure at once", 0, true, true},
    {"the last that is carried", 67, true, true},
    {"the one that refreshes the record", 68, true, false},
};

START_TEST(a_failure_is_carried_as_tabled)
{
    const struct decision d = {.outcome = OUTCOME_WAITING};
    const struct session_rare rare = {.carried = carries[_i].carried,
                                      .record_digest = failure_digest(&d) + !carries[_i].same};
    const struct session session = {.id = {.b = {[15] = 5}}, .rare = &rare};
    const struct snapshot s = {.sessions = &session, .n_sessions = 1};
    ck_assert_msg(failure_is_recorded(&s, &d) == carries[_i].recorded, "%s is %s", carries[_i].what,
                  carries[_i].recorded ? "written" : "carried");
}
END_TEST

/* --- more rounds than were read --- */

enum { STORED = 10, CARRY_MOST = INT32_MAX - 1 - STORED };

static const struct {
    const char *what;
    uint64_t digest;
    int32_t carried; /* of 10 + carried retries */
    int64_t more;
    bool known;
    int32_t after; /* carried */
} recounts[] = {
    {"a session that never failed", 0, 0, 3, true, 0},
    {"one that is carried without a record", 0, 4, 0, false, 4},
    {"fewer rounds than were counted", 1, 4, -1, false, 4},
    {"all that can be carried, so who knows how many", 1, CARRY_MOST, 0, false, CARRY_MOST},
    {"no round more", 1, 4, 0, true, 4},
    {"three rounds more", 1, 4, 3, true, 7},
    {"one below what can be carried", 1, CARRY_MOST - 1, 0, true, CARRY_MOST - 1},
    {"up to what can be carried", 1, CARRY_MOST - 1, 1, true, CARRY_MOST},
    {"beyond what can be carried", 1, CARRY_MOST - 1, 5, true, CARRY_MOST},
};

START_TEST(a_count_goes_on_as_tabled)
{
    const char *what = recounts[_i].what;
    struct session_rare rare = {.record_digest = recounts[_i].digest,
                                .carried = recounts[_i].carried};
    struct session s = {.retries = STORED + recounts[_i].carried, .rare = &rare};
    const bool known = failure_recount(&s, &rare, recounts[_i].more);
    ck_assert_msg(known == recounts[_i].known, "%s: it is %s", what, known ? "known" : "unknown");
    ck_assert_msg(rare.carried == recounts[_i].after && s.retries == STORED + recounts[_i].after,
                  "%s: carried %d, %d retries", what, rare.carried, s.retries);
}
END_TEST

/* --- rounds --- */

/* One round in which session s1 fails; `skip`: and session s2 is left out. */
static void fail_round(struct world *w, enum cause_kind kind, const char *message, bool skip)
{
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    w->s = world_load(w->c, "g1", w->a);
    struct plan *p = world_plan(w->s, w->a);
    plan_say(p, w->s, w->a, "s1", OUTCOME_WAITING, kind, message);
    if (skip)
        plan_say(p, w->s, w->a, "s2", OUTCOME_SKIPPED, CAUSE_ROUND_LIMIT, "left out");
    struct commit_input in = world_commit(w->c, w->s, p);
    assert_done(plan_commit(w->c, &in, w->a, &r, &e), &e, message);
    w->s = world_load(w->c, "g1", w->a);
}

static int32_t retries(const struct world *w, const char *name)
{
    return w->s->sessions[world_session(w->s, name)].retries;
}

#define ROW                                                                                        \
    "SELECT concat_ws(' ', status_data->'scheduler'->'retries', "                                  \
    "status_data->'scheduler'->>'msg') "                                                           \
    "FROM sessions WHERE name = 's1'"
#define HISTORY                                                                                    \
    "SELECT string_agg(concat_ws(' ', error_code, attempts), '; ' ORDER BY created_at) "           \
    "FROM session_scheduling_history WHERE session_id = t.id('s1')"

START_TEST(the_same_failure_again_is_counted_and_not_written)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    fail_round(&w, CAUSE_CAPACITY, "2 short", false);
    world_do(&w.d, "CREATE TABLE t.before AS SELECT xmin::text AS x FROM sessions");
    for (int i = 0; i < 4; i++)
        fail_round(&w, CAUSE_CAPACITY, "2 short", false);
    world_expect(&w.d, "SELECT count(*) FROM sessions s JOIN t.before b ON s.xmin::text = b.x", "1",
                 "the row was written for nothing");
    ck_assert_int_eq(retries(&w, "s1"), 5);
    fail_round(&w, CAUSE_CAPACITY, "1 short", false);
    world_expect(&w.d, ROW, "6 1 short", "another number is written, with all retries");
    world_expect(&w.d, HISTORY, "CAPACITY 6", "history counts what was carried");
    fail_round(&w, CAUSE_CAPACITY, "1 short", false);
    fail_round(&w, CAUSE_NO_AGENTS, "none", false);
    world_expect(&w.d, ROW, "8 none", "another cause is written");
    world_expect(&w.d, HISTORY, "CAPACITY 7; NO_AGENTS 1",
                 "the old row gets what was carried, the new one begins");
    ck_assert_int_eq(retries(&w, "s1"), 8);
}
END_TEST

START_TEST(who_was_left_out_has_not_failed)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0)");
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    w.s = world_load(w.c, "g1", w.a);
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s1", OUTCOME_WAITING, CAUSE_CAPACITY, "short");
    plan_say(p, w.s, w.a, "s2", OUTCOME_WAITING, CAUSE_CAPACITY, "short");
    struct commit_input in = world_commit(w.c, w.s, p);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "both fail");
    for (int i = 0; i < 3; i++)
        fail_round(&w, CAUSE_CAPACITY, "short", true);
    ck_assert_int_eq(retries(&w, "s1"), 4);
    ck_assert_int_eq(retries(&w, "s2"), 1);
    world_expect(&w.d, ROW, "4 short", "a round that leaves somebody out writes every failure");
}
END_TEST

START_TEST(a_record_is_refreshed_now_and_then)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    int last = 0, written = 0;
    for (int i = 1; i <= 130; i++) {
        fail_round(&w, CAUSE_CAPACITY, "short", false);
        ck_assert_int_eq(retries(&w, "s1"), i);
        if (db_int(&w.d, "SELECT (status_data->'scheduler'->>'retries')::int8 FROM sessions") != i)
            continue;
        ck_assert_msg(written == 0 || i - last >= 64, "written again after %d rounds", i - last);
        last = i;
        written++;
    }
    ck_assert_msg(written >= 2 && written <= 3, "written %d times in 130 rounds", written);
}
END_TEST

START_TEST(a_session_that_moves_to_another_group_takes_its_retries_along)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    fail_round(&w, CAUSE_CAPACITY, "short", false);
    fail_round(&w, CAUSE_CAPACITY, "short", false);
    world_do(&w.d, "UPDATE sessions SET resource_group_id = (SELECT id FROM scaling_groups WHERE "
                   "name = 'g2'), scaling_group_name = 'g2'; "
                   "UPDATE kernels SET resource_group_id = (SELECT id FROM scaling_groups WHERE "
                   "name = 'g2'), scaling_group = 'g2'; "
                   "INSERT INTO berth.group_state (scaling_group_id, failure_rounds) "
                   "VALUES ((SELECT id FROM scaling_groups WHERE name = 'g2'), 1000)");
    w.s = world_load(w.c, "g2", w.a);
    ck_assert_int_eq(retries(&w, "s1"), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("failure_record");
    TCase *pure = tcase_create("text"), *rounds = tcase_create("rounds");
    tcase_set_timeout(rounds, 120);
    tcase_add_loop_test(pure, a_count_is_read_as_tabled, 0, ARRAY_SIZE(texts));
    tcase_add_test(pure, a_count_that_was_written_is_read);
    tcase_add_test(pure, a_digest_tells_apart_what_a_person_would);
    tcase_add_test(pure, a_digest_is_the_same_in_every_version);
    tcase_add_loop_test(pure, a_failure_is_carried_as_tabled, 0, ARRAY_SIZE(carries));
    tcase_add_loop_test(pure, a_count_goes_on_as_tabled, 0, ARRAY_SIZE(recounts));
    tcase_add_test(rounds, the_same_failure_again_is_counted_and_not_written);
    tcase_add_test(rounds, who_was_left_out_has_not_failed);
    tcase_add_test(rounds, a_record_is_refreshed_now_and_then);
    tcase_add_test(rounds, a_session_that_moves_to_another_group_takes_its_retries_along);
    suite_add_tcase(s, pure);
    suite_add_tcase(s, rounds);
    return support_run(s, SUPPORT_PG);
}
