/* test_session_cancel.c - CancelSession in every status, and against a commit. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "repo/session.h"
#include "tests/repo/world.h"

static struct cancel_result cancel(struct world *w, const char *name, const char *reason)
{
    struct err e = {.code = ERR_NONE};
    struct cancel_result r;
    const struct cancel_input in = {.session_id = world_id(&w->d, name), .reason = reason};
    assert_done(session_cancel(w->c, &in, w->a, &r, &e), &e, name);
    return r;
}

/* --- every status --- */

/* A session with two kernels on a1, in `status`; kernel 2 in `second` (NULL: as the session). */
static const struct {
    const char *status, *second, *becomes, *kernels;
    bool over, event;
    const char *released, *held; /* cpu on a1 after; 2 cpu a kernel */
} cases[] = {
    {"TERMINATED", NULL, "TERMINATED", "TERMINATED TERMINATED", true, false, "", "4"},
    {"ERROR", NULL, "ERROR", "ERROR ERROR", true, false, "", "4"},
    {"CANCELLED", NULL, "CANCELLED", "CANCELLED CANCELLED", true, false, "", "4"},
    {"TERMINATING", NULL, "TERMINATING", "TERMINATING TERMINATING", false, false, "", "4"},
    {"SCHEDULED", NULL, "CANCELLED", "CANCELLED CANCELLED", false, true, "cpu=4 mem=20", "0"},
    {"SCHEDULED", "PREPARING", "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"SCHEDULED", "CANCELLED", "CANCELLED", "CANCELLED CANCELLED", false, true, "cpu=4 mem=20",
     "0"},
    {"RESERVED", NULL, "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"PREPARING", NULL, "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"PULLING", "PENDING", "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"PREPARED", NULL, "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"CREATING", NULL, "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"RUNNING", "TERMINATED", "TERMINATING", "TERMINATING TERMINATED", false, true, "", "4"},
    {"RESTARTING", NULL, "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"RUNNING_DEGRADED", "ERROR", "TERMINATING", "TERMINATING ERROR", false, true, "", "4"},
    {"PREEMPTED", "RUNNING", "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"RESCHEDULING", "RUNNING", "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"DEPRIORITIZING", "PENDING", "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
    {"SOMETHING_NEW", NULL, "TERMINATING", "TERMINATING TERMINATING", false, true, "", "4"},
};

static void expect_released(const struct cancel_result *r, const char *wanted, const char *what)
{
    char got[100] = "";
    for (uint32_t i = 0; i < r->n_released; i++) {
        size_t len = strlen(got);
        (void)snprintf(got + len, sizeof(got) - len, "%s%s=%s", i > 0 ? " " : "",
                       r->released[i].slot, r->released[i].amount);
    }
    ck_assert_msg(strcmp(got, wanted) == 0, "%s: expected to release \"%s\", got \"%s\"", what,
                  wanted, got);
}

START_TEST(cancel_does_what_the_status_asks_for)
{
    char sql[500], what[80];
    const char *second = cases[_i].second != NULL ? cases[_i].second : cases[_i].status;
    (void)snprintf(what, sizeof(what), "%s with a kernel %s", cases[_i].status, second);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT t.hostile(); SELECT t.session('s1', 2, 10, 2), "
                   "t.place('s1', 'a1', '%s'); UPDATE kernels SET status = '%s' WHERE id = "
                   "t.id('s1/2'); UPDATE sessions SET status_info = 'before'",
                   cases[_i].status, second);
    CLEANUP(world_close) struct world w = world_open(sql);
    struct cancel_result r = cancel(&w, "s1", "enough");
    ck_assert_msg(strcmp(r.previous_status, cases[_i].status) == 0, "%s: was %s", what,
                  r.previous_status);
    ck_assert_msg(strcmp(r.status, cases[_i].becomes) == 0, "%s: is %s", what, r.status);
    ck_assert_msg(r.already_terminal == cases[_i].over, "%s: already terminal", what);
    expect_released(&r, cases[_i].released, what);
    world_expect(&w.d, "SELECT status FROM sessions", cases[_i].becomes, what);
    world_expect(&w.d, "SELECT string_agg(status, ' ' ORDER BY cluster_idx) FROM kernels",
                 cases[_i].kernels, what);
    world_expect(&w.d,
                 "SELECT trim_scale(reserved + used)::text FROM agent_resources "
                 "WHERE agent_id = 'a1' AND slot_name = 'cpu'",
                 cases[_i].held, what);
    world_expect(&w.d, "SELECT status_info FROM sessions", cases[_i].event ? "enough" : "before",
                 what);
    ck_assert_msg(r.n_events == (cases[_i].event ? 1 : 0), "%s: %u events", what, r.n_events);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM berth.events") == r.n_events, "%s: event rows",
                  what);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM session_scheduling_history") == r.n_events,
                  "%s: history rows", what);
    if (r.n_events == 0)
        return;
    ck_assert_str_eq(r.events[0].from_status, cases[_i].status);
    ck_assert_str_eq(r.events[0].to_status, cases[_i].becomes);
    ck_assert_str_eq(r.events[0].reason, "enough");
    ck_assert_str_eq(r.events[0].scaling_group, "g1");
    world_expect(&w.d, "SELECT (status_history ? status)::text FROM sessions", "true", what);
    struct cancel_result again = cancel(&w, "s1", "again");
    ck_assert_msg(again.n_events == 0 && strcmp(again.status, cases[_i].becomes) == 0,
                  "%s: a second cancel does something", what);
    world_expect(&w.d, "SELECT status_info FROM sessions", "enough", "the first reason stays");
}
END_TEST

START_TEST(cancel_of_a_pending_session_frees_its_ledger)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 2, 10, 2)");
    struct cancel_result r = cancel(&w, "s1", NULL);
    ck_assert_str_eq(r.previous_status, "PENDING");
    ck_assert_str_eq(r.status, "CANCELLED");
    expect_released(&r, "", "nothing was held");
    ck_assert_msg(r.n_owners == 0, "no live session came or went");
    world_expect(&w.d,
                 "SELECT concat_ws(' ', status, status_info, terminated_at IS NOT NULL, "
                 "status_history ? 'CANCELLED') FROM sessions",
                 "CANCELLED user-requested t t", "session");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', status, status_info, terminated_at IS NOT "
                 "NULL, status_changed IS NOT NULL), '; ') FROM kernels",
                 "CANCELLED user-requested t t; CANCELLED user-requested t t", "kernels");
    world_expect(&w.d,
                 "SELECT concat_ws(' ', phase, from_status, to_status, result, message) "
                 "FROM session_scheduling_history",
                 "cancel PENDING CANCELLED SUCCESS user-requested", "history");
    ck_assert_int_eq(
        db_int(&w.d, "SELECT count(*) FROM resource_allocations WHERE free_at IS NULL"), 0);
    world_check(&w.d, "after a cancel");
}
END_TEST

/* Of two kernels one was placed: whichever comes first by id, what it holds goes back. */
START_TEST(cancel_of_a_half_placed_session_gives_back_what_is_held)
{
    static const char *const other[] = {"min", "max"};
    char sql[600];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT t.session('s1', 2, 10, 2), t.place('s1', 'a1', 'SCHEDULED'); "
                   "UPDATE sessions SET status = 'PENDING'; "
                   "WITH k AS (UPDATE kernels SET status = 'PENDING', agent = NULL WHERE id = "
                   "(SELECT %s(id::text)::uuid FROM kernels) RETURNING id) "
                   "UPDATE resource_allocations r SET reserved = 0, reserved_at = NULL "
                   "FROM k WHERE r.kernel_id = k.id; "
                   "UPDATE agent_resources SET reserved = reserved / 2 WHERE agent_id = 'a1'",
                   other[_i]);
    CLEANUP(world_close) struct world w = world_open(sql);
    struct cancel_result r = cancel(&w, "s1", NULL);
    ck_assert_str_eq(r.status, "CANCELLED");
    expect_released(&r, "cpu=2 mem=10", other[_i]);
    world_expect(&w.d, "SELECT trim_scale(sum(reserved))::text FROM agent_resources", "0",
                 other[_i]);
    ck_assert_int_eq(
        db_int(&w.d, "SELECT count(*) FROM resource_allocations WHERE free_at IS NULL"), 0);
    world_check(&w.d, other[_i]);
}
END_TEST

/* Each bucket of a ledger row goes back to the same bucket of the agent. */
START_TEST(cancel_gives_back_each_bucket)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('s1', 2, 10, 2), t.place('s1', 'a1', 'SCHEDULED'), "
        "t.session('s2', 3, 0), t.place('s2', 'a1', 'RUNNING'), "
        "t.session('s3', 3, 30), t.place('s3', 'a2', 'SCHEDULED'); "
        "UPDATE kernels SET agent = 'a2' WHERE id = t.id('s1/2'); "
        "UPDATE agent_resources SET reserved = reserved - 2 WHERE agent_id = 'a1' AND slot_name = "
        "'cpu'; UPDATE agent_resources SET reserved = reserved - 10 WHERE agent_id = 'a1' AND "
        "slot_name = 'mem'; UPDATE agent_resources SET prereserved = CASE slot_name WHEN 'cpu' "
        "THEN "
        "2 ELSE 10 END WHERE agent_id = 'a2'; UPDATE resource_allocations SET prereserved = "
        "requested, reserved = 0 WHERE kernel_id = t.id('s1/2')");
    world_check(&w.d, "before");
    struct cancel_result r = cancel(&w, "s1", NULL);
    expect_released(&r, "cpu=4 mem=20", "a reservation and a prereservation");
    world_check(&w.d, "after");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', agent_id, trim_scale(reserved), "
                 "trim_scale(prereserved), trim_scale(used)), '; ' ORDER BY agent_id) FROM "
                 "agent_resources WHERE slot_name = 'cpu'",
                 "a1 0 0 3; a2 3 0 0; b1 0 0 0", "agents");
    ck_assert_uint_eq(r.n_owners, 1);
    ck_assert_int_eq(r.owners[0].sessions, 2);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.owner_versions"), 4);
}
END_TEST

START_TEST(cancel_of_an_unknown_session_says_so)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    struct cancel_result r = {.status = "untouched"};
    const struct cancel_input in = {.session_id = world_id(&w.d, "nobody")};
    assert_failed(session_cancel(w.c, &in, w.a, &r, &e), &e, ERR_NOT_FOUND, "UNKNOWN_SESSION",
                  "cancel");
    ck_assert_str_eq(r.status, "untouched");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct session_place place;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_failed(session_find(t, &in.session_id, w.a, &place, &e), &e, ERR_NOT_FOUND,
                  "UNKNOWN_SESSION", "find");
}
END_TEST

START_TEST(cancel_of_a_broken_session_still_cancels)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.hostile(); SELECT t.session('s1', 2, 10); UPDATE sessions SET access_key = NULL, "
        "user_uuid = NULL, creation_id = NULL, status_history = '[1]', domain_name = NULL, "
        "group_id = NULL; UPDATE kernels SET status = 'SCHEDULED', agent = 'nowhere'; "
        "UPDATE resource_allocations SET reserved = 'NaN' WHERE slot_name = 'cpu'");
    struct cancel_result r = cancel(&w, "s1", "bad \xff reason");
    ck_assert_str_eq(r.status, "CANCELLED");
    world_expect(&w.d,
                 "SELECT concat_ws(' ', status, status_info, jsonb_typeof(status_history)) "
                 "FROM sessions",
                 "CANCELLED bad ? reason object", "session");
}
END_TEST

/* --- against others --- */

enum { N_CANCELS = 24, N_THREADS = 4 };

struct canceller {
    const struct db *d;
    struct uuid ids[N_CANCELS];
    unsigned from;
    unsigned n_cancelled;
    char error[600];
};

static void *cancel_many(void *arg)
{
    struct canceller *k = arg;
    struct err e = {.code = ERR_NONE};
    CLEANUP(pg_closep) struct pg *c = NULL;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    if (pg_open(k->d->conninfo, &c, &e) < 0)
        (void)snprintf(k->error, sizeof(k->error), "open: %s", e.detail);
    for (unsigned i = 0; c != NULL && i < N_CANCELS; i++) {
        const struct cancel_input in = {.session_id = k->ids[(i + k->from) % N_CANCELS]};
        struct cancel_result r;
        if (session_cancel(c, &in, a, &r, &e) < 0)
            (void)snprintf(k->error, sizeof(k->error), "cancel: %s (%s)", e.message, e.detail);
        else
            k->n_cancelled += r.n_events;
    }
    return NULL;
}

START_TEST(cancels_and_a_commit_number_their_events_without_gaps)
{
    CLEANUP(world_close)
    struct world w =
        world_open("SELECT t.session('s' || i, 0.25, 10, 2) FROM generate_series(0, 23) i");
    struct canceller k[N_THREADS];
    pthread_t threads[N_THREADS];
    struct plan *p = world_plan(w.s, w.a);
    for (unsigned t = 0; t < N_THREADS; t++)
        k[t] = (struct canceller){.d = &w.d, .from = t * N_CANCELS / N_THREADS};
    for (unsigned i = 0; i < N_CANCELS; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "s%u", i);
        plan_place(p, w.s, name, i % 2 == 0 ? "a1,a2" : "a2");
        struct uuid id = world_id(&w.d, name);
        for (unsigned t = 0; t < N_THREADS; t++)
            k[t].ids[i] = id;
    }
    struct commit_input in = world_commit(w.c, w.s, p);
    in.chunk = 4;
    for (unsigned t = 0; t < N_THREADS; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL, cancel_many, &k[t]), 0);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    int done = plan_commit(w.c, &in, w.a, &r, &e);
    unsigned n_cancelled = 0;
    for (unsigned t = 0; t < N_THREADS; t++) {
        ck_assert_int_eq(pthread_join(threads[t], NULL), 0);
        ck_assert_msg(k[t].error[0] == '\0', "%s", k[t].error);
        n_cancelled += k[t].n_cancelled;
    }
    assert_done(done, &e, "commit among cancels");
    ck_assert_msg(n_cancelled == N_CANCELS, "%u sessions were cancelled, each once, of %d",
                  n_cancelled, N_CANCELS);
    world_check(&w.d, "after cancels and a commit");
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM sessions WHERE status <> 'CANCELLED'"), 0);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM agent_resources WHERE reserved <> 0"), 0);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.events WHERE type = 3"), N_CANCELS);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.events WHERE type = 1"),
                     p->counts[OUTCOME_SCHEDULED]);
}
END_TEST

/* --- reads --- */

START_TEST(session_last_causes_come_in_the_order_of_the_ids)
{
    CLEANUP(world_close)
    struct world w =
        world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0), t.session('s3', 1, 0); "
                   "UPDATE sessions SET status_data = '{\"scheduler\": {\"causes\": \"odd\"}}' "
                   "WHERE name = 's2'");
    struct err e = {.code = ERR_NONE};
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s3", OUTCOME_WAITING, CAUSE_CAPACITY, "no \"room\"");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct commit_result r;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "commit");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct uuid ids[] = {world_id(&w.d, "s3"), world_id(&w.d, "nobody"), world_id(&w.d, "s2"),
                               world_id(&w.d, "s1")};
    struct event_cause *causes[4];
    uint32_t n[4];
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(session_last_causes(t, ids, 4, w.a, causes, n, &e), &e, "read");
    ck_assert_uint_eq(n[0], 1);
    ck_assert_uint_eq(n[1] + n[2] + n[3], 0);
    ck_assert_int_eq(causes[0][0].kind, CAUSE_CAPACITY);
    ck_assert_str_eq(causes[0][0].message, "no \"room\"");
    ck_assert(causes[0][0].retryable);
    struct session_place place;
    assert_done(session_find(t, &ids[0], w.a, &place, &e), &e, "find");
    ck_assert_str_eq(place.scaling_group, "g1");
    ck_assert_str_eq(place.status, "PENDING");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session_cancel");
    TCase *tc = tcase_create("session_cancel");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, cancel_does_what_the_status_asks_for, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, cancel_of_an_unknown_session_says_so);
    tcase_add_test(tc, cancel_of_a_broken_session_still_cancels);
    tcase_add_test(tc, cancel_of_a_pending_session_frees_its_ledger);
    tcase_add_loop_test(tc, cancel_of_a_half_placed_session_gives_back_what_is_held, 0, 2);
    tcase_add_test(tc, cancel_gives_back_each_bucket);
    tcase_add_test(tc, cancels_and_a_commit_number_their_events_without_gaps);
    tcase_add_test(tc, session_last_causes_come_in_the_order_of_the_ids);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
