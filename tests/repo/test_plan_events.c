/* test_plan_events.c - what a commit tells subscribers, history and the round's own row. */
#include <stdio.h>
#include <string.h>

#include "tests/repo/world.h"

/* s1 (two kernels) is placed on a2 and a1, s2 fails, s3 expires, s4 fails without a cause. */
static struct plan *plan_four(struct world *w)
{
    struct plan *p = world_plan(w->s, w->a);
    plan_place(p, w->s, "s1", "a2,a1");
    plan_say(p, w->s, w->a, "s2", OUTCOME_BLOCKED, CAUSE_CONCURRENCY, "runs 3 of 3");
    plan_say(p, w->s, w->a, "s3", OUTCOME_EXPIRED, CAUSE_PENDING_TIMEOUT, "waited");
    plan_say(p, w->s, w->a, "s4", OUTCOME_WAITING, CAUSE_CAPACITY, "unsaid");
    p->decisions[3].causes = NULL;
    p->decisions[3].n_causes = 0;
    return p;
}

static struct world world_of_four(void)
{
    return world_open("SELECT t.session('s1', 1, 1024, 2), t.session('s2', 1, 0), "
                      "t.session('s3', 1, 0), t.session('s4', 1, 0)");
}

/* By number; without a cause of s4 there is nothing new to tell about it. */
static const struct {
    const char *session; /* "": none */
    const char *from, *to, *reason, *cause;
    enum event_type type;
    uint32_t n_allocations;
} told[] = {
    {"s1", "PENDING", "SCHEDULED", "scheduled", "", EVENT_SESSION_SCHEDULED, 2},
    {"s2", "PENDING", "PENDING", "predicate-checks-failed", "runs 3 of 3", EVENT_SESSION_WAITING,
     0},
    {"s3", "PENDING", "CANCELLED", "pending-timeout", "waited", EVENT_SESSION_CANCELLED, 0},
    {"", "", "", "", "", EVENT_ROUND_FINISHED, 0},
};

static void expect_event(const struct world *w, const struct commit_input *in,
                         const struct event *is, uint32_t i)
{
    char creation[12] = "";
    const bool of_session = told[i].session[0] != '\0';
    if (of_session)
        (void)snprintf(creation, sizeof(creation), "c-%s", told[i].session);
    const struct uuid id = of_session ? world_id(&w->d, told[i].session) : (struct uuid){{0}};
    ck_assert_msg(is->sequence == i + 1 && is->type == told[i].type, "event %u is number %lld, %d",
                  i + 1, (long long)is->sequence, (int)is->type);
    ck_assert_msg(is->has_session == of_session && memcmp(&is->session_id, &id, sizeof(id)) == 0 &&
                      strcmp(is->creation_id, creation) == 0,
                  "event %u is not about %s but \"%s\"", i + 1, told[i].session, is->creation_id);
    ck_assert_msg(
        strcmp(is->from_status, told[i].from) == 0 && strcmp(is->to_status, told[i].to) == 0 &&
            strcmp(is->reason, told[i].reason) == 0,
        "event %u says %s to %s for %s", i + 1, is->from_status, is->to_status, is->reason);
    ck_assert_msg(strcmp(is->scaling_group, "g1") == 0 && is->has_round &&
                      memcmp(&is->round_id, &in->round_id, sizeof(in->round_id)) == 0 &&
                      is->epoch == in->epoch && is->time > w->s->observed_at,
                  "event %u is of another round", i + 1);
    ck_assert_msg(is->n_allocations == told[i].n_allocations &&
                      is->n_causes == (told[i].cause[0] != '\0'),
                  "event %u: %u allocations, %u causes", i + 1, is->n_allocations, is->n_causes);
    if (is->n_causes > 0)
        ck_assert_str_eq(is->causes[0].message, told[i].cause);
}

START_TEST(commit_tells_subscribers_what_is_tabled)
{
    CLEANUP(world_close) struct world w = world_of_four();
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = plan_four(&w);
    struct commit_input in = world_commit(w.c, w.s, p);
    world_do(&w.d, "UPDATE agents SET addr = 'tcp://moved:' || id");
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "four sessions");
    ck_assert_msg(r.n_events == ARRAY_SIZE(told), "%u events", r.n_events);
    for (uint32_t i = 0; i < r.n_events; i++)
        expect_event(&w, &in, &r.events[i], i);
    const struct event_allocation *at = r.events[0].allocations;
    ck_assert_str_eq(at[0].agent_id, "a2");
    ck_assert_str_eq(at[0].agent_addr, "tcp://moved:a2");
    ck_assert_str_eq(at[1].agent_id, "a1");
    ck_assert_str_eq(at[1].agent_addr, "tcp://moved:a1");
}
END_TEST

START_TEST(commit_records_a_failure_without_a_cause)
{
    CLEANUP(world_close) struct world w = world_of_four();
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = plan_four(&w);
    struct commit_input in = world_commit(w.c, w.s, p);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "four sessions");
    world_expect(&w.d,
                 "SELECT concat_ws(' ', from_status, to_status, result, coalesce(error_code, "
                 "'no code'), coalesce(nullif(message, ''), 'no message'), sub_steps->0->>'step') "
                 "FROM session_scheduling_history WHERE session_id = t.id('s4')",
                 "PENDING PENDING NEED_RETRY no code no message reserved_batch", "history");
}
END_TEST

START_TEST(commit_records_the_round_as_it_was)
{
    CLEANUP(world_close) struct world w = world_of_four();
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = plan_four(&w);
    for (uint32_t i = 0; i < N_OUTCOMES; i++)
        p->counts[i] = 10 + i;
    struct commit_input in = world_commit(w.c, w.s, p);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "four sessions");
    world_expect(&w.d, "SELECT counts FROM berth.rounds", "{10,11,12,13,14,15,16,17,18,19}",
                 "the round's counts");
    world_expect(&w.d,
                 "SELECT abs(g.round_us - extract(epoch FROM r.finished_at - r.snapshot_at) * 1e6) "
                 "< 1e7 FROM berth.rounds r JOIN berth.group_state g USING (scaling_group_id)",
                 "t", "the group's round took as long as the round");
}
END_TEST

/* In any order of kernels: the list is in that of the ids, each once. */
static const struct {
    const char *agents, *listed;
} spreads[] = {
    {"a1,a1,a1,a1", "{a1}"},       {"a2,a1,a2,a1", "{a1,a2}"},    {"a1,a3,a2,a3", "{a1,a2,a3}"},
    {"a3,a2,a1,a1", "{a1,a2,a3}"}, {"a1,a2,a3,a1", "{a1,a2,a3}"},
};

START_TEST(commit_lists_each_agent_of_a_session_once)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.agent('a3', 'g1', 8, 0), t.session('s1', 1, 0, 4)");
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", spreads[_i].agents);
    struct commit_input in = world_commit(w.c, w.s, p);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, spreads[_i].agents);
    world_expect(&w.d, "SELECT agent_ids FROM sessions", spreads[_i].listed, spreads[_i].agents);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_events");
    TCase *tc = tcase_create("plan_events");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, commit_tells_subscribers_what_is_tabled);
    tcase_add_test(tc, commit_records_a_failure_without_a_cause);
    tcase_add_test(tc, commit_records_the_round_as_it_was);
    tcase_add_loop_test(tc, commit_lists_each_agent_of_a_session_once, 0, ARRAY_SIZE(spreads));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
