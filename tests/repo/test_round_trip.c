/* test_round_trip.c - rows to snapshot to plan to rows, with the real scheduler in between. */
#include <stdio.h>
#include <string.h>

#include "repo/session.h"
#include "scheduler/round.h"
#include "tests/repo/world.h"

/* One round of g1: the plan, and what its commit came to. */
static struct plan *run_round(struct world *w, struct commit_result *ret)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    const struct policy_config config = {.n_options = 0};
    struct policy *policy = NULL;
    struct plan *plan = NULL;
    w->s = world_load(w->c, "g1", w->a);
    assert_done(policy_resolve(r, &config, w->s, w->a, &policy, &e), &e, "resolve the policy");
    assert_done(round_run(w->s, policy, NULL, NULL, w->a, &plan, NULL, &e), &e, "run a round");
    struct commit_input in = world_commit(w->c, w->s, plan);
    in.chunk = 3;
    assert_done(plan_commit(w->c, &in, w->a, ret, &e), &e, "commit a round");
    world_check(&w->d, "after a round");
    return plan;
}

static void expect(const struct world *w, const struct plan *p, const char *name,
                   enum outcome outcome)
{
    const struct decision *d = plan_decision(p, w->s, name);
    ck_assert_msg(d->outcome == outcome, "%s came out as %s%s%s", name, outcome_name(d->outcome),
                  d->n_causes > 0 ? ": " : "", d->n_causes > 0 ? d->causes[0].message : "");
}

START_TEST(a_round_goes_all_the_way)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('fits', 2, 1024), t.session('gang', 5, 0, 2, 'g1', 'AK1', 'INTERACTIVE', "
        "'multi-node'), t.session('waits', 4, 0), t.session('never', 9, 0), "
        "t.session('bad', 1, 0), t.session('empty', 1, 0), t.session('old', 1, 0), "
        "t.session('quota', 2, 0, 1, 'g1', 'AK2'), t.session('later', 1, 0, 1, 'g1', 'AK1', "
        "'BATCH');"
        "UPDATE scaling_groups SET scheduler_opts = '{\"pending_timeout\": 86400}'; "
        "UPDATE sessions SET status_history = NULL; "
        "UPDATE sessions SET created_at = now() - interval '2 days' WHERE name = 'old'; "
        "UPDATE sessions SET session_type = 'odd' WHERE name = 'bad'; "
        "DELETE FROM resource_allocations WHERE kernel_id = t.id('empty/1'); "
        "DELETE FROM kernels WHERE session_id = t.id('empty'); "
        "UPDATE sessions SET requested_starts_at = now() + interval '1 day' WHERE name = 'later'; "
        "INSERT INTO keypair_resource_policies (name, default_for_unspecified, "
        "total_resource_slots, "
        "max_concurrent_sessions, max_containers_per_session, idle_timeout, allowed_vfolder_hosts) "
        "VALUES ('tight', 'LIMITED', '{\"cpu\": 1}', 0, 1, 0, '{}'); "
        "UPDATE keypairs SET resource_policy = 'tight' WHERE access_key = 'AK2'");
    struct commit_result r;
    struct plan *p = run_round(&w, &r);
    expect(&w, p, "old", OUTCOME_EXPIRED);
    expect(&w, p, "bad", OUTCOME_INVALID);
    expect(&w, p, "empty", OUTCOME_INVALID);
    expect(&w, p, "fits", OUTCOME_SCHEDULED);
    expect(&w, p, "gang", OUTCOME_SCHEDULED);
    expect(&w, p, "waits", OUTCOME_WAITING);
    expect(&w, p, "never", OUTCOME_INFEASIBLE);
    expect(&w, p, "quota", OUTCOME_BLOCKED);
    expect(&w, p, "later", OUTCOME_BLOCKED);
    ck_assert_msg(r.n_events == 10, "%u events: one a session and one for the round", r.n_events);
    world_expect(&w.d,
                 "SELECT string_agg(DISTINCT agent, ' ' ORDER BY agent) FROM kernels "
                 "WHERE session_id = t.id('gang')",
                 "a1 a2", "the gang's agents");
    p = run_round(&w, &r);
    ck_assert_msg(p->n_decisions == 6, "%u sessions are left", p->n_decisions);
    ck_assert_msg(r.n_events == 1, "the same causes are told again: %u events", r.n_events);
    world_expect(&w.d,
                 "SELECT string_agg(attempts::text, ' ') FROM session_scheduling_history "
                 "WHERE result = 'NEED_RETRY'",
                 "1 1 1 1 1 1", "what fails as before is not written again");
    w.s = world_load(w.c, "g1", w.a);
    for (uint32_t i = 0; i < w.s->n_sessions; i++)
        ck_assert_msg(w.s->sessions[i].retries == 2, "%s has failed twice, %d are counted",
                      w.s->sessions[i].name, w.s->sessions[i].retries);
}
END_TEST

START_TEST(what_a_cancel_gives_back_the_next_round_takes)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "DELETE FROM agent_resources WHERE agent_id = 'a2'; DELETE FROM agents WHERE id = 'a2'; "
        "SELECT t.session('first', 6, 0), t.session('second', 6, 0)");
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct cancel_result cancelled;
    struct plan *p = run_round(&w, &r);
    expect(&w, p, "first", OUTCOME_SCHEDULED);
    expect(&w, p, "second", OUTCOME_WAITING);
    const struct cancel_input in = {.session_id = world_id(&w.d, "first")};
    assert_done(session_cancel(w.c, &in, w.a, &cancelled, &e), &e, "cancel");
    p = run_round(&w, &r);
    expect(&w, p, "second", OUTCOME_SCHEDULED);
    world_expect(&w.d, "SELECT status_data::text FROM sessions WHERE name = 'second'",
                 "{\"scheduler\": {}}", "a success empties the record of failures");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct event *log = NULL;
    uint32_t n = 0;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(event_list(t, "g1", 0, 100, w.a, &log, &n, &e), &e, "list");
    static const enum event_type types[] = {EVENT_SESSION_SCHEDULED, EVENT_SESSION_WAITING,
                                            EVENT_ROUND_FINISHED,    EVENT_SESSION_CANCELLED,
                                            EVENT_SESSION_SCHEDULED, EVENT_ROUND_FINISHED};
    ck_assert_uint_eq(n, ARRAY_SIZE(types));
    for (uint32_t i = 0; i < n; i++)
        ck_assert_msg(log[i].type == types[i] && log[i].sequence == i + 1, "event %u is of type %d",
                      i, (int)log[i].type);
}
END_TEST

/* Round robin goes on where the last round stopped, also after a restart. */
START_TEST(round_robin_goes_on_in_the_next_round)
{
    CLEANUP(world_close)
    struct world w =
        world_open("SELECT t.session('s1', 1, 0); UPDATE scaling_groups SET scheduler_opts = "
                   "'{\"agent_selection_strategy\": \"roundrobin\"}'");
    struct commit_result r;
    (void)run_round(&w, &r);
    world_do(&w.d, "SELECT t.session('s2', 1, 0)");
    (void)run_round(&w, &r);
    world_do(&w.d, "SELECT t.session('s3', 1, 0)");
    (void)run_round(&w, &r);
    world_expect(&w.d,
                 "SELECT string_agg(k.agent, ' ' ORDER BY s.name) FROM kernels k "
                 "JOIN sessions s ON s.id = k.session_id",
                 "a1 a2 a1", "agents in turn");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("round_trip");
    TCase *tc = tcase_create("round_trip");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_round_goes_all_the_way);
    tcase_add_test(tc, what_a_cancel_gives_back_the_next_round_takes);
    tcase_add_test(tc, round_robin_goes_on_in_the_next_round);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
