/* test_agent.c - what an agent can still take, decided by the statement that takes it. */
#include <stdio.h>

#include "repo/agent.h"
#include "tests/repo/world.h"

/* The agent has 8 cpu; what it holds by bucket, and what is asked for. */
static const struct {
    const char *what, *held;
    int64_t asked;
    bool fits;
} charges[] = {
    {"as much as is left", "reserved = 1, prereserved = 2, used = 3", 2, true},
    {"one more than is left", "reserved = 1, prereserved = 2, used = 3", 3, false},
    {"an agent that only reserves", "reserved = 7", 2, false},
    {"an agent that only reserves for later", "prereserved = 7", 2, false},
    {"an agent that only uses", "used = 7", 2, false},
    {"an empty agent", "reserved = 0", 8, true},
    {"more than an empty agent has", "reserved = 0", 9, false},
    {"a slot that the agent has not", "slot_name = 'cuda.shares'", 1, false},
};

START_TEST(an_agent_takes_what_is_left_as_tabled)
{
    const char *what = charges[_i].what;
    char sql[300];
    (void)snprintf(
        sql, sizeof(sql),
        "UPDATE agent_resources SET updated_at = '2026-01-01'; UPDATE agent_resources SET "
        "%s WHERE agent_id = 'a1' AND slot_name = 'cpu'",
        charges[_i].held);
    CLEANUP(world_close) struct world w = world_open(sql);
    const struct agent_charge charge = {.agent = snapshot_find_agent(w.s, "a1"),
                                        .slot = snapshot_find_slot(w.s, "cpu"),
                                        .amount = charges[_i].asked * AMOUNT_ONE};
    int64_t held = db_int(&w.d, "SELECT coalesce(max(reserved), 0)::int FROM agent_resources");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, what);
    if (!charges[_i].fits) {
        assert_failed(agent_reserve(t, w.s, &charge, 1, w.a, &e), &e, ERR_INTERNAL,
                      "RESERVATION_REFUSED", what);
        return;
    }
    assert_done(agent_reserve(t, w.s, &charge, 1, w.a, &e), &e, what);
    assert_done(txn_commit(&t, &e), &e, what);
    ck_assert_msg(db_int(&w.d,
                         "SELECT reserved::int FROM agent_resources WHERE agent_id = 'a1' AND "
                         "slot_name = 'cpu'") == held + charges[_i].asked,
                  "%s: reserved", what);
    ck_assert_msg(db_int(&w.d,
                         "SELECT count(*) FROM agent_resources WHERE updated_at > "
                         "'2026-02-01' OR (agent_id, slot_name) <> ('a1', 'cpu') AND reserved "
                         "<> 0") == 1,
                  "%s: updated_at is set, of that row alone", what);
}
END_TEST

START_TEST(nothing_is_asked_of_no_agent)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(agent_reserve(t, w.s, NULL, 0, w.a, &e), &e, "nothing");
}
END_TEST

/* What a1 holds of its 8 cpu, and what of it may then be given away. */
static const struct {
    const char *what, *held;
    int64_t remains; /* cpu */
    const char *problem;
} locks[] = {
    {"an amount that is none", "used = 'NaN'", 0,
     "agent_resources.used of slot cpu is not a number"},
    {"more than there is", "reserved = 4, prereserved = 4, used = 4", 0, NULL},
    {"all there is", "reserved = 2, prereserved = 3, used = 3", 0, NULL},
    {"a part of each kind", "reserved = 1, prereserved = 2, used = 3", 2, NULL},
    {"nothing", "reserved = 0", 8, NULL},
};

START_TEST(an_agent_that_is_locked_tells_what_remains)
{
    const char *what = locks[_i].what;
    char sql[200];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT t.hostile(); UPDATE agent_resources SET %s WHERE agent_id = 'a1' AND "
                   "slot_name = 'cpu'",
                   locks[_i].held);
    CLEANUP(world_close) struct world w = world_open("");
    world_do(&w.d, sql);
    const uint32_t a1 = snapshot_find_agent(w.s, "a1"), cpu = snapshot_find_slot(w.s, "cpu");
    struct agent_lock lock;
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, what);
    assert_done(agent_lock(t, w.s, &a1, 1, w.a, &lock, &e), &e, what);
    ck_assert_msg(lock.remaining[cpu] == locks[_i].remains * AMOUNT_ONE, "%s: %lld remain", what,
                  (long long)lock.remaining[cpu]);
    ck_assert_pstr_eq(lock.problem, locks[_i].problem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("agent");
    TCase *tc = tcase_create("agent");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, an_agent_takes_what_is_left_as_tabled, 0, ARRAY_SIZE(charges));
    tcase_add_test(tc, nothing_is_asked_of_no_agent);
    tcase_add_loop_test(tc, an_agent_that_is_locked_tells_what_remains, 0, ARRAY_SIZE(locks));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
