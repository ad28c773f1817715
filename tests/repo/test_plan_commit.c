/* test_plan_commit.c - a plan becomes rows, history and events; guards have test_plan_guard.c. */
#include <stdio.h>
#include <string.h>

#include "tests/repo/world.h"

static struct commit_result commit(struct world *w, struct commit_input *in, const char *what)
{
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    assert_done(plan_commit(w->c, in, w->a, &r, &e), &e, what);
    world_check(&w->d, what);
    return r;
}

/* The newest state of the database becomes the world's snapshot. */
static void reload(struct world *w)
{
    w->s = world_load(w->c, "g1", w->a);
}

/* --- placements --- */

START_TEST(commit_writes_a_placement_on_all_tables)
{
    CLEANUP(world_close)
    struct world w =
        world_open("SELECT t.session('s1', 1.5, 1024, 2); UPDATE sessions SET status_data = "
                   "'{\"scheduler\": {\"retries\": 3}, \"keep\": 1}', status_history = 'null'; "
                   "UPDATE agents SET addr = 'tcp://other' WHERE id = 'a2'");
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a2,a1");
    struct commit_input in = world_commit(w.c, w.s, p);
    world_do(&w.d, "UPDATE agents SET addr = 'tcp://moved' WHERE id = 'a2'");
    struct commit_result r = commit(&w, &in, "one placement");
    world_expect(&w.d,
                 "SELECT concat_ws(' ', status, status_info, agent_ids, status_data, "
                 "jsonb_typeof(status_history), status_history ? 'SCHEDULED') FROM sessions",
                 "SCHEDULED scheduled {a1,a2} {\"keep\": 1, \"scheduler\": {}} object t",
                 "session");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', agent, agent_addr, status, status_info, "
                 "status_data, status_changed IS NOT NULL, status_history ? 'SCHEDULED', "
                 "occupied_slots), '; ' ORDER BY cluster_idx) FROM kernels",
                 "a2 tcp://moved SCHEDULED scheduled {} t t {}; a1 tcp://a1:6001 SCHEDULED "
                 "scheduled {} t t {}",
                 "kernels");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', slot_name, reserved, reserved_at IS NOT NULL, "
                 "used, free_at), '; ' ORDER BY kernel_id, slot_name) FROM resource_allocations "
                 "WHERE kernel_id = t.id('s1/1')",
                 "cpu 1.500000 t; mem 1024.000000 t", "ledger");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', agent_id, slot_name, reserved), '; ' ORDER BY "
                 "agent_id, slot_name) FROM agent_resources WHERE reserved > 0",
                 "a1 cpu 1.500000; a1 mem 1024.000000; a2 cpu 1.500000; a2 mem 1024.000000",
                 "agents");
    world_expect(
        &w.d,
        "SELECT concat_ws(' ', phase, from_status, to_status, result, error_code, message, "
        "attempts, sub_steps->0->>'step', substr(id::text, 15, 1), replace(id::text, '-', '') LIKE "
        "lpad(to_hex((extract(epoch FROM created_at) * 1000)::int8), 12, '0') || '%') "
        "FROM session_scheduling_history",
        "schedule-sessions PENDING SCHEDULED SUCCESS schedule-sessions success 1 "
        "allocation 7 t",
        "history, its id begins with the time");
    ck_assert_str_eq(r.events[0].allocations[0].agent_addr, "tcp://moved");
    ck_assert_uint_eq(r.n_owners, 1);
    ck_assert_str_eq(r.owners[0].access_key, "AK1");
    ck_assert_int_eq(r.owners[0].sessions, 1);
    ck_assert_int_eq(r.owners[0].version, 1);
}
END_TEST

START_TEST(commit_takes_amounts_exactly)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('s1', 0.000001, 9007199254740993, 1); UPDATE agent_resources "
        "SET capacity = 9007199254740993 WHERE slot_name = 'mem'; UPDATE agent_resources "
        "SET capacity = 0.000001 WHERE slot_name = 'cpu'");
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    struct commit_input in = world_commit(w.c, w.s, p);
    (void)commit(&w, &in, "the last millionth and the last byte");
    ck_assert_uint_eq(p->counts[OUTCOME_SCHEDULED], 1);
    world_expect(&w.d,
                 "SELECT string_agg(reserved::text, ' ' ORDER BY slot_name) FROM agent_resources "
                 "WHERE agent_id = 'a1'",
                 "0.000001 9007199254740993.000000", "reserved");
}
END_TEST

START_TEST(commit_quotes_odd_agent_ids)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.agent('a,\"\\{ü} x', 'g1', 8, 0), t.session('s1', 1, 0)");
    struct plan *p = world_plan(w.s, w.a);
    uint32_t agent = snapshot_find_agent(w.s, "a,\"\\{ü} x");
    plan_place(p, w.s, "s1", "a1");
    p->placements[0].agent = agent;
    struct commit_input in = world_commit(w.c, w.s, p);
    (void)commit(&w, &in, "an agent with an odd id");
    world_expect(&w.d, "SELECT agent_ids[1] FROM sessions", "a,\"\\{ü} x", "agent_ids");
}
END_TEST

/* --- failures --- */

static const struct {
    enum outcome outcome;
    enum cause_kind kind;
    const char *info, *failed;
} failures[] = {
    {OUTCOME_BLOCKED, CAUSE_CONCURRENCY, "predicate-checks-failed",
     "[{\"msg\": \"why not\", \"name\": \"concurrency\"}]"},
    {OUTCOME_WAITING, CAUSE_CAPACITY, "no-available-instances", "[]"},
    {OUTCOME_INFEASIBLE, CAUSE_INFEASIBLE, "no-available-instances", "[]"},
    {OUTCOME_INVALID, CAUSE_BAD_DATA, "scheduler-error", "[]"},
};

START_TEST(commit_records_a_failure)
{
    CLEANUP(world_close)
    struct world w =
        world_open("SELECT t.session('s1', 1, 0, 2); UPDATE sessions SET status_data = "
                   "'{\"keep\": 1, \"scheduler\": {\"retries\": 7, \"old\": true}}'; "
                   "UPDATE kernels SET status_data = 'null'");
    const char *what = outcome_name(failures[_i].outcome);
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s1", failures[_i].outcome, failures[_i].kind, "why not");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct commit_result r = commit(&w, &in, what);
    char wanted[400];
    (void)snprintf(wanted, sizeof(wanted),
                   "PENDING %s 1 8 why not %s [{\"name\": \"reserved_batch\"}] f",
                   failures[_i].info, failures[_i].failed);
    world_expect(&w.d,
                 "SELECT concat_ws(' ', status, status_info, status_data->'keep', "
                 "status_data->'scheduler'->'retries', status_data->'scheduler'->>'msg', "
                 "status_data->'scheduler'->'failed_predicates', "
                 "status_data->'scheduler'->'passed_predicates', status_data->'scheduler' ? 'old') "
                 "FROM sessions",
                 wanted, what);
    (void)snprintf(wanted, sizeof(wanted), "2 %s", failures[_i].info);
    world_expect(&w.d,
                 "SELECT concat_ws(' ', count(*), min(status_info)) FROM kernels "
                 "WHERE status = 'PENDING' AND status_data->'scheduler'->>'msg' = 'why not'",
                 wanted, what);
    (void)snprintf(wanted, sizeof(wanted), "schedule-sessions PENDING NEED_RETRY %s why not 1",
                   cause_kind_name(failures[_i].kind));
    world_expect(&w.d,
                 "SELECT concat_ws(' ', phase, to_status, result, error_code, message, attempts) "
                 "FROM session_scheduling_history",
                 wanted, what);
    ck_assert_msg(r.n_events == 2 && r.events[0].type == EVENT_SESSION_WAITING &&
                      strcmp(r.events[0].reason, failures[_i].info) == 0,
                  "%s: %u events", what, r.n_events);
    reload(&w);
    ck_assert_int_eq(w.s->sessions[0].retries, 8);
    ck_assert_uint_eq(w.s->sessions[0].rare->cause_digest,
                      causes_digest(p->decisions[0].causes, p->decisions[0].n_causes));
}
END_TEST

static uint32_t fail_again(struct world *w, enum cause_kind kind, const char *message)
{
    reload(w);
    struct plan *p = world_plan(w->s, w->a);
    plan_say(p, w->s, w->a, "s1", OUTCOME_WAITING, kind, message);
    struct commit_input in = world_commit(w->c, w->s, p);
    return commit(w, &in, message).n_events;
}

START_TEST(commit_merges_history_and_says_a_cause_once)
{
    static const char sql[] = "SELECT string_agg(concat_ws(' ', error_code, attempts, message), '; "
                              "' ORDER BY created_at) "
                              "FROM session_scheduling_history";
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    ck_assert_msg(fail_again(&w, CAUSE_CAPACITY, "2 short") == 2, "a first cause is news");
    ck_assert_msg(fail_again(&w, CAUSE_CAPACITY, "1 short") == 1, "the same cause is no news");
    world_expect(&w.d, sql, "CAPACITY 2 1 short", "the same cause merges, its message is updated");
    ck_assert_msg(fail_again(&w, CAUSE_NO_AGENTS, "none") == 2, "another cause is news");
    ck_assert_msg(fail_again(&w, CAUSE_CAPACITY, "3 short") == 2, "an old cause is news again");
    world_expect(&w.d, sql, "CAPACITY 2 1 short; NO_AGENTS 1 none; CAPACITY 1 3 short",
                 "only the latest row merges");
    world_do(&w.d, "INSERT INTO session_scheduling_history (session_id, phase, to_status, result, "
                   "message, attempts, created_at, updated_at) VALUES (t.id('s1'), 'enqueue', "
                   "'PENDING', 'SUCCESS', 'x', 1, clock_timestamp(), clock_timestamp())");
    (void)fail_again(&w, CAUSE_CAPACITY, "4 short");
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM session_scheduling_history"), 5);
    reload(&w);
    ck_assert_int_eq(w.s->sessions[0].retries, 5);
}
END_TEST

/* The latest row differs in one of the three columns only: no merge. */
static const struct {
    const char *what, *phase, *code, *to;
    int64_t rows;
} latest[] = {
    {"another phase", "start-sessions", "'CAPACITY'", "PENDING", 2},
    {"no error code", "schedule-sessions", "NULL", "PENDING", 2},
    {"another status", "schedule-sessions", "'CAPACITY'", "SCHEDULED", 2},
    {"the same", "schedule-sessions", "'CAPACITY'", "PENDING", 1},
};

START_TEST(commit_merges_only_with_a_row_of_the_same_kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(latest); i++) {
        char sql[400];
        (void)snprintf(sql, sizeof(sql),
                       "SELECT t.session('s1', 1, 0); INSERT INTO session_scheduling_history "
                       "(session_id, phase, error_code, to_status, result, message, attempts, "
                       "created_at, updated_at) VALUES (t.id('s1'), '%s', %s, '%s', 'NEED_RETRY', "
                       "'x', 1, now(), now())",
                       latest[i].phase, latest[i].code, latest[i].to);
        CLEANUP(world_close) struct world w = world_open(sql);
        (void)fail_again(&w, CAUSE_CAPACITY, "no room");
        int64_t n = db_int(&w.d, "SELECT count(*) FROM session_scheduling_history");
        ck_assert_msg(n == latest[i].rows, "%s: %lld rows", latest[i].what, (long long)n);
    }
}
END_TEST

START_TEST(commit_takes_any_bytes_in_a_message)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    ck_assert_uint_eq(fail_again(&w, CAUSE_CAPACITY, "bad \xff\xc3 \"quoted\" \\ \x01\n"), 2);
    world_expect(&w.d, "SELECT status_data->'scheduler'->>'msg' FROM sessions",
                 "bad ?? \"quoted\" \\ \x01\n", "message");
}
END_TEST

/* --- ends --- */

static void check_end(enum outcome outcome, const char *what)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0, 2), t.session('s2', 1, 0); "
                                "UPDATE kernels SET status = 'TERMINATED' WHERE id = t.id('s1/2')");
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s1", outcome, CAUSE_PENDING_TIMEOUT, "waited");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    world_expect(&w.d,
                 "SELECT concat_ws(' ', status, status_info, terminated_at IS NOT NULL, "
                 "status_history ? 'CANCELLED') FROM sessions WHERE name = 's1'",
                 "CANCELLED pending-timeout t t", what);
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', status, status_info, terminated_at IS NOT "
                 "NULL), '; ' ORDER BY cluster_idx) FROM kernels WHERE session_id = t.id('s1')",
                 "CANCELLED pending-timeout t; TERMINATED f", what);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM resource_allocations WHERE free_at IS NULL") ==
                      2,
                  "%s: the ledger is not freed", what);
    world_expect(&w.d,
                 "SELECT concat_ws(' ', phase, from_status, to_status, result, message) "
                 "FROM session_scheduling_history",
                 "cancel PENDING CANCELLED SUCCESS pending-timeout", what);
    ck_assert_msg(r.n_events == 2 && r.events[0].type == EVENT_SESSION_CANCELLED &&
                      r.events[0].n_causes == 1,
                  "%s: %u events", what, r.n_events);
    world_expect(&w.d, "SELECT status FROM sessions WHERE name = 's2'", "PENDING",
                 "another session");
}

START_TEST(commit_cancels_what_expired)
{
    check_end(OUTCOME_EXPIRED, "an expired session");
    check_end(OUTCOME_CANCELLED, "a private session that was refused");
}
END_TEST

/* --- the round --- */

START_TEST(commit_of_nothing_ends_the_round)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s1", OUTCOME_SKIPPED, CAUSE_QUEUE_POLICY, "not now");
    struct rr_cursor cursor = {.arch = 0, .agent_id = "a\"2"};
    p->rr_cursors = &cursor;
    p->n_rr_cursors = 1;
    struct commit_input in = world_commit(w.c, w.s, p);
    in.phases = "{\"lock\": 12}";
    struct commit_result r = commit(&w, &in, "nothing to write");
    ck_assert_uint_eq(r.n_events, 1);
    ck_assert_int_eq(r.events[0].type, EVENT_ROUND_FINISHED);
    ck_assert_int_eq(r.events[0].sequence, 1);
    ck_assert_int_eq(r.events[0].epoch, in.epoch);
    ck_assert_int_gt(r.events[0].time, w.s->observed_at);
    world_expect(&w.d,
                 "SELECT concat_ws(' ', epoch, replica, counts[10], phases, plan_hash, "
                 "finished_at > snapshot_at) FROM berth.rounds",
                 "1 test 1 {\"lock\": 12} 4660 t", "round");
    world_expect(&w.d,
                 "SELECT concat_ws(' ', last_sequence, rr_cursors, round_counts[10], "
                 "round_us > 0) FROM berth.group_state",
                 "1 {\"x86_64\": \"a\\\"2\"} 1 t", "group state");
    world_expect(&w.d, "SELECT concat_ws(' ', status, status_info) FROM sessions", "PENDING",
                 "a skipped session is left alone");
    reload(&w);
    ck_assert_str_eq(w.s->rr_cursors[0].agent_id, "a\"2");
}
END_TEST

/* n sessions, some placed and some not, in chunks of `chunk`. */
static const struct {
    uint32_t n, chunk;
} cuts[] = {{1, 1}, {5, 1}, {4, 2}, {5, 2}, {6, 5}, {5, 5}, {5, 6}, {7, 0}};

START_TEST(commit_cuts_a_plan_into_chunks)
{
    char sql[200], what[60];
    (void)snprintf(what, sizeof(what), "%u sessions in chunks of %u", cuts[_i].n, cuts[_i].chunk);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT t.session('s' || i, 1, 0) FROM generate_series(1, %u) i", cuts[_i].n);
    CLEANUP(world_close) struct world w = world_open(sql);
    struct plan *p = world_plan(w.s, w.a);
    for (uint32_t i = 1; i <= cuts[_i].n; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "s%u", i);
        if (i % 2 == 1)
            plan_place(p, w.s, name, i % 4 == 1 ? "a1" : "a2");
        else
            plan_say(p, w.s, w.a, name, OUTCOME_WAITING, CAUSE_CAPACITY, "no room");
    }
    struct commit_input in = world_commit(w.c, w.s, p);
    in.chunk = cuts[_i].chunk;
    struct commit_result r = commit(&w, &in, what);
    ck_assert_msg(r.n_events == cuts[_i].n + 1, "%s: %u events", what, r.n_events);
    for (uint32_t i = 0; i < r.n_events; i++)
        ck_assert_msg(r.events[i].sequence == i + 1, "%s: event %u has number %lld", what, i,
                      (long long)r.events[i].sequence);
    ck_assert_msg(r.events[r.n_events - 1].type == EVENT_ROUND_FINISHED, "%s: last event", what);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM berth.rounds") == 1, "%s: rounds", what);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM sessions WHERE status = 'SCHEDULED'") ==
                      (cuts[_i].n + 1) / 2,
                  "%s: not all are scheduled", what);
    const uint32_t chunk = cuts[_i].chunk > 0 ? cuts[_i].chunk : cuts[_i].n;
    const int64_t n = db_int(&w.d, "SELECT count(DISTINCT xmin::text) FROM berth.events");
    ck_assert_msg(n == (cuts[_i].n + chunk - 1) / chunk, "%s: %lld transactions", what,
                  (long long)n);
}
END_TEST

/* --- a transaction that runs twice --- */

/* The first `fails` attempts to write events fail as if they could not be serialized. */
START_TEST(commit_starts_afresh_when_its_transaction_is_repeated)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0), t.session('s3', 1, 0); "
        "CREATE SEQUENCE t.tries; CREATE FUNCTION t.trip() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF nextval('t.tries') <= 2 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; "
        "END IF; RETURN NULL; END $$; CREATE TRIGGER trip AFTER INSERT ON berth.events "
        "FOR EACH STATEMENT EXECUTE FUNCTION t.trip()");
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_place(p, w.s, "s2", "a1");
    plan_say(p, w.s, w.a, "s3", OUTCOME_WAITING, CAUSE_CAPACITY, "no room");
    struct commit_input in = world_commit(w.c, w.s, p);
    world_do(&w.d, "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's1'");
    struct commit_result r = commit(&w, &in, "a transaction that was repeated twice");
    ck_assert_int_eq(db_int(&w.d, "SELECT last_value FROM t.tries"), 3);
    ck_assert_uint_eq(p->counts[OUTCOME_SCHEDULED], 1);
    ck_assert_uint_eq(p->counts[OUTCOME_CONFLICT], 1);
    ck_assert_uint_eq(p->counts[OUTCOME_WAITING], 1);
    ck_assert_uint_eq(r.n_events, 3);
    ck_assert_int_eq(r.owners[0].version, 1);
    world_expect(&w.d, "SELECT string_agg(attempts::text, ' ') FROM session_scheduling_history",
                 "1 1", "history");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_commit");
    TCase *tc = tcase_create("plan_commit");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, commit_records_a_failure, 0, ARRAY_SIZE(failures));
    tcase_add_test(tc, commit_merges_history_and_says_a_cause_once);
    tcase_add_test(tc, commit_merges_only_with_a_row_of_the_same_kind);
    tcase_add_test(tc, commit_takes_any_bytes_in_a_message);
    tcase_add_test(tc, commit_cancels_what_expired);
    tcase_add_test(tc, commit_writes_a_placement_on_all_tables);
    tcase_add_test(tc, commit_takes_amounts_exactly);
    tcase_add_test(tc, commit_quotes_odd_agent_ids);
    tcase_add_test(tc, commit_of_nothing_ends_the_round);
    tcase_add_loop_test(tc, commit_cuts_a_plan_into_chunks, 0, ARRAY_SIZE(cuts));
    tcase_add_test(tc, commit_starts_afresh_when_its_transaction_is_repeated);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
