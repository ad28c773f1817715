/* test_repair.c - every damage a writer can leave, planted, told, mended once; and rounds
 * meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "repo/repair.h"
#include "tests/repo/world.h"

static struct err e;

enum { LINES = 8000 };
static char lines[LINES]; /* of the last repair: "<kind>: <action>\n" */
static char last_fact[400], last_deed[200];

static void gather(void *ctx, const struct repair_finding *f)
{
    (void)ctx;
    const size_t n = strlen(lines);
    (void)snprintf(lines + n, LINES - n, "%s: %s\n", repair_kind_name(f->kind),
                   repair_action_name(f->action));
    (void)snprintf(last_fact, sizeof(last_fact), "%s", f->fact);
    (void)snprintf(last_deed, sizeof(last_deed), "%s", f->deed);
}

static struct repair_result repair(struct pg *c, struct arena *a, bool dry_run, const char *what)
{
    struct repair_result r;
    const struct repair_input in = {.scaling_group = "g1", .dry_run = dry_run, .report = gather};
    lines[0] = last_fact[0] = last_deed[0] = '\0';
    e = (struct err){.code = ERR_NONE};
    assert_done(repair_run(c, &in, a, &r, &e), &e, what);
    return r;
}

/* All that a repair could touch, as one number. */
static void fingerprint(const struct db *d, char ret[40])
{
    db_text(d,
            "SELECT md5(string_agg(x, ';' ORDER BY x)) FROM ("
            "SELECT s::text AS x FROM sessions s UNION ALL SELECT k::text FROM kernels k UNION ALL "
            "SELECT r::text FROM resource_allocations r UNION ALL "
            "SELECT a::text FROM agent_resources a UNION ALL "
            "SELECT h::text FROM session_scheduling_history h UNION ALL "
            "SELECT g::text FROM berth.group_state g UNION ALL "
            "SELECT v::text FROM berth.events v UNION ALL "
            "SELECT o::text FROM berth.owner_versions o) y",
            ret, 40);
}

#define TWO "SELECT t.session('s', 2, 1024, kernels => 2);"
#define HALF(agent)                                                                                \
    TWO "SELECT t.place('s', '" agent "', 'SCHEDULED');"                                           \
        "UPDATE sessions SET status = 'PENDING' WHERE id = t.id('s');"
#define STATE                                                                                      \
    "SELECT s.status || ' ' || string_agg(k.status || '@' || coalesce(k.agent, '-'), ' ' "         \
    "ORDER BY k.cluster_idx) FROM sessions s JOIN kernels k ON k.session_id = s.id "               \
    "WHERE s.id = t.id('s') GROUP BY s.id"
#define COUNTERS                                                                                   \
    "SELECT string_agg(trim_scale(reserved) || '/' || trim_scale(used), ' ' ORDER BY agent_id, "   \
    "slot_name) FROM agent_resources WHERE agent_id = 'a1'"

/* clang-format off */
static const struct {
    const char *what, *plant;
    const char *dry, *wet;      /* lines */
    const char *look, *after;   /* a query, and its answer once mended */
    int events;                 /* written */
    bool odd;                   /* the world contradicts itself afterwards too, as it may */
} cases[] = {
    {"a healthy queue",
     TWO, "", "", STATE, "PENDING PENDING@- PENDING@-", 0, false},
    {"a healthy scheduled session",
     TWO "SELECT t.place('s', 'a1', 'SCHEDULED')", "", "", COUNTERS, "4/0 2048/0", 0, false},
    {"a healthy running session",
     TWO "SELECT t.place('s', 'a1', 'RUNNING')", "", "", COUNTERS, "0/4 0/2048", 0, false},
    {"a session that runs, its kernels in different stages",
     TWO "SELECT t.place('s', 'a1', 'SCHEDULED'); UPDATE kernels SET status = 'PULLING' "
     "WHERE id = t.id('s/2')", "", "", COUNTERS, "4/0 2048/0", 0, true},

    {"all kernels are SCHEDULED, the session is not",
     HALF("a1"), "half scheduled: would mend\n", "half scheduled: mended\n",
     STATE, "SCHEDULED SCHEDULED@a1 SCHEDULED@a1", 1, false},
    {"one that asks for nothing",
     "SELECT t.session('s', 0, 0); DELETE FROM resource_allocations;"
     "SELECT t.place('s', 'a1', 'SCHEDULED'); UPDATE sessions SET status = 'PENDING'",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     STATE, "SCHEDULED SCHEDULED@a1", 1, false},
    {"one kernel is still PENDING",
     HALF("a1") "UPDATE kernels SET status = 'PENDING', agent = NULL WHERE id = t.id('s/2');"
     "UPDATE resource_allocations SET reserved = 0, reserved_at = NULL WHERE kernel_id = t.id('s/2');"
     "UPDATE agent_resources SET reserved = reserved / 2",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     STATE, "PENDING PENDING@- PENDING@-", 0, false},
    {"a kernel without an agent",
     HALF("a1") "UPDATE kernels SET agent = NULL WHERE id = t.id('s/2');"
     "UPDATE agent_resources SET reserved = reserved / 2",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     COUNTERS, "0/0 0/0", 0, false},
    {"a kernel whose ledger rows reserve nothing",
     HALF("a1") "UPDATE resource_allocations SET reserved = 0, reserved_at = NULL "
     "WHERE kernel_id = t.id('s/2'); UPDATE agent_resources SET reserved = reserved / 2",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     STATE, "PENDING PENDING@- PENDING@-", 0, false},
    {"a kernel whose ledger rows were freed",
     HALF("a1") "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = t.id('s/2');"
     "UPDATE agent_resources SET reserved = reserved / 2",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     "SELECT count(*) FROM resource_allocations WHERE free_at IS NULL AND reserved = 0", "4", 0, false},
    {"a kernel whose ledger rows are gone",
     HALF("a1") "DELETE FROM resource_allocations WHERE kernel_id = t.id('s/2');"
     "UPDATE agent_resources SET reserved = reserved / 2",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     STATE, "PENDING PENDING@- PENDING@-", 0, false},
    {"less is reserved than asked for",
     HALF("a1") "UPDATE resource_allocations SET reserved = 1 WHERE slot_name = 'cpu';"
     "UPDATE agent_resources SET reserved = 2 WHERE slot_name = 'cpu' AND agent_id = 'a1'",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     COUNTERS, "0/0 0/0", 0, false},
    {"kernels RESERVED for a preemption that never came",
     HALF("a1") "UPDATE kernels SET status = 'RESERVED'; UPDATE resource_allocations SET "
     "prereserved = reserved, reserved = 0, prereserved_at = reserved_at, reserved_at = NULL;"
     "UPDATE agent_resources SET prereserved = reserved, reserved = 0",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     "SELECT sum(prereserved)::text FROM agent_resources", "0.000000", 0, false},
    {"PENDING kernels with stamped ledger rows",
     TWO "UPDATE resource_allocations SET reserved_at = now()",
     "half scheduled: would mend\n", "half scheduled: mended\n",
     "SELECT count(*) FROM resource_allocations WHERE reserved_at IS NULL", "4", 0, false},
    {"a kernel has started",
     HALF("a1") "UPDATE kernels SET status = 'PULLING' WHERE id = t.id('s/2')",
     "half scheduled: left\n", "half scheduled: left\n",
     STATE, "PENDING SCHEDULED@a1 PULLING@a1", 0, false},
    {"a kernel in a status nobody knows",
     "SELECT t.hostile();"
     HALF("a1") "UPDATE kernels SET status = 'DREAMING' WHERE id = t.id('s/2')",
     "half scheduled: left\n", "half scheduled: left\n",
     STATE, "PENDING SCHEDULED@a1 DREAMING@a1", 0, false},
    {"a kernel is over",
     HALF("a1") "UPDATE kernels SET status = 'CANCELLED' WHERE id = t.id('s/2');"
     "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = t.id('s/2');"
     "UPDATE agent_resources SET reserved = reserved / 2",
     "half scheduled: left\n", "half scheduled: left\n",
     STATE, "PENDING SCHEDULED@a1 CANCELLED@a1", 0, false},
    {"its kernels were written just now: the writer may be alive",
     HALF("a1") "UPDATE kernels SET status_changed = now()",
     "half scheduled: left\n", "half scheduled: left\n",
     STATE, "PENDING SCHEDULED@a1 SCHEDULED@a1", 0, false},

    {"a dead kernel that holds a reservation",
     TWO "SELECT t.place('s', 'a1', 'SCHEDULED');"
     "UPDATE kernels SET status = 'CANCELLED'; UPDATE sessions SET status = 'CANCELLED'",
     "dead allocation: would mend\ndead allocation: would mend\n",
     "dead allocation: mended\ndead allocation: mended\n", COUNTERS, "0/0 0/0", 0, false},
    {"a dead kernel that holds what it used",
     TWO "SELECT t.place('s', 'a1', 'RUNNING');"
     "UPDATE kernels SET status = 'TERMINATED' WHERE id = t.id('s/1')",
     "dead allocation: would mend\n", "dead allocation: mended\n", COUNTERS, "0/2 0/1024", 0, false},
    {"a dead kernel that never held anything",
     TWO "UPDATE kernels SET status = 'ERROR'; UPDATE sessions SET status = 'ERROR'",
     "dead allocation: would mend\ndead allocation: would mend\n",
     "dead allocation: mended\ndead allocation: mended\n",
     "SELECT count(*) FROM resource_allocations WHERE free_at IS NULL", "0", 0, false},
    {"a dead kernel whose agent was given all back already",
     TWO "SELECT t.place('s', 'a1', 'RUNNING'); UPDATE kernels SET status = 'TERMINATED';"
     "UPDATE sessions SET status = 'TERMINATED'; UPDATE agent_resources SET used = 0",
     "dead allocation: would mend\ndead allocation: would mend\ncounter: would mend\n"
     "counter: would mend\n",
     "dead allocation: mended\ndead allocation: mended\n", COUNTERS, "0/0 0/0", 0, false},

    {"a counter that is too high",
     TWO "SELECT t.place('s', 'a1', 'RUNNING');"
     "UPDATE agent_resources SET used = used + 1 WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     "counter: would mend\n", "counter: mended\n", COUNTERS, "0/4 0/2048", 0, false},
    {"a counter that is too low",
     TWO "SELECT t.place('s', 'a1', 'SCHEDULED');"
     "UPDATE agent_resources SET reserved = 0.5 WHERE agent_id = 'a1' AND slot_name = 'mem'",
     "counter: would mend\n", "counter: mended\n", COUNTERS, "4/0 2048/0", 0, false},
    {"all counters of an agent without kernels",
     "UPDATE agent_resources SET used = 1, reserved = 1, prereserved = 1 "
     "WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     "counter: would mend\ncounter: would mend\ncounter: would mend\n",
     "counter: mended\ncounter: mended\ncounter: mended\n", COUNTERS, "0/0 0/0", 0, false},
    {"counters that are no numbers",
     "SELECT t.hostile(); UPDATE agent_resources SET used = 'NaN', reserved = NULL "
     "WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     "counter: would mend\ncounter: would mend\n", "counter: mended\ncounter: mended\n",
     COUNTERS, "0/0 0/0", 0, false},
    {"ledger rows that are no numbers hold nothing",
     "SELECT t.hostile();" TWO "SELECT t.place('s', 'a1', 'RUNNING');"
     "UPDATE resource_allocations SET used = 'NaN' WHERE slot_name = 'cpu'",
     "counter: would mend\n", "counter: mended\n", COUNTERS, "0/0 0/2048", 0, true},

    {"a session that left PENDING without one of its kernels",
     TWO "SELECT t.place('s', 'a1', 'SCHEDULED');"
     "UPDATE kernels SET status = 'PENDING' WHERE id = t.id('s/2')",
     "unscheduled kernel: left\n", "unscheduled kernel: left\n",
     STATE, "SCHEDULED SCHEDULED@a1 PENDING@a1", 0, false},
    {"a session that is over with a live kernel",
     TWO "SELECT t.place('s', 'a1', 'RUNNING'); UPDATE sessions SET status = 'TERMINATED'",
     "live kernel: left\nlive kernel: left\n", "live kernel: left\nlive kernel: left\n",
     STATE, "TERMINATED RUNNING@a1 RUNNING@a1", 0, false},
    {"a slot its agent has no counter for",
     TWO "SELECT t.place('s', 'a1', 'RUNNING');"
     "DELETE FROM agent_resources WHERE agent_id = 'a1' AND slot_name = 'mem'",
     "no counter: left\n", "no counter: left\n", COUNTERS, "0/4", 0, false},

    {"the damage of another group",
     "SELECT t.session('s', 2, 1024, grp => 'g2'); SELECT t.place('s', 'b1', 'SCHEDULED');"
     "UPDATE sessions SET status = 'PENDING';"
     "UPDATE agent_resources SET used = 3 WHERE agent_id = 'b1'",
     "", "", STATE, "PENDING SCHEDULED@b1", 0, true},
};
/* clang-format on */

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        n++;
    return n;
}

START_TEST(repair_finds_and_mends_as_tabled)
{
    const char *what = cases[_i].what;
    char before[40], after[40];
    CLEANUP(world_close) struct world w = world_open(cases[_i].plant);
    fingerprint(&w.d, before);
    struct repair_result r = repair(w.c, w.a, true, what);
    fingerprint(&w.d, after);
    ck_assert_msg(strcmp(lines, cases[_i].dry) == 0, "%s: a dry run tells\n%s", what, lines);
    ck_assert_msg(strcmp(before, after) == 0, "%s: a dry run changed something", what);
    ck_assert_msg(r.mended == 0 && r.n_events == 0, "%s: a dry run mended", what);

    r = repair(w.c, w.a, false, what);
    ck_assert_msg(strcmp(lines, cases[_i].wet) == 0, "%s: it tells\n%s", what, lines);
    ck_assert_msg((int)r.mended == count(cases[_i].wet, "mended\n"), "%s: %u mended", what,
                  r.mended);
    world_expect(&w.d, cases[_i].look, cases[_i].after, what);
    ck_assert_msg((int)r.n_events == cases[_i].events, "%s: %u events", what, r.n_events);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM berth.events") == cases[_i].events,
                  "%s: other events are stored", what);
    fingerprint(&w.d, after);
    ck_assert_msg((strcmp(before, after) != 0) == (r.mended > 0), "%s: what was told was not done",
                  what);
    if (r.mended == r.found && !cases[_i].odd)
        world_check(&w.d, what);

    const uint32_t left = r.found - r.mended;
    fingerprint(&w.d, before);
    r = repair(w.c, w.a, false, what);
    fingerprint(&w.d, after);
    ck_assert_msg(r.mended == 0 && r.found == left && strcmp(before, after) == 0,
                  "%s: a second run mends %u of %u more:\n%s", what, r.mended, r.found, lines);
}
END_TEST

START_TEST(repair_says_what_it_saw_and_did)
{
    CLEANUP(world_close) struct world w = world_open(HALF("a1"));
    char id[UUID_TEXT], wanted[400];
    const struct uuid s = world_id(&w.d, "s");
    uuid_format(&s, id);
    (void)repair(w.c, w.a, true, "dry");
    (void)snprintf(wanted, sizeof(wanted),
                   "session %s (s) is PENDING, its kernels are 2 SCHEDULED; the ledger holds "
                   "resources for 2 of them",
                   id);
    ck_assert_str_eq(last_fact, wanted);
    ck_assert_str_eq(last_deed, "make it SCHEDULED");
    world_do(&w.d, "UPDATE sessions SET status = 'SCHEDULED'; UPDATE agent_resources SET used = 2.5"
                   " WHERE agent_id = 'a2' AND slot_name = 'cpu'");
    (void)repair(w.c, w.a, true, "dry");
    ck_assert_str_eq(last_fact, "agent a2 counts 2.5 of slot cpu as used, its ledger rows hold 0");
    world_do(&w.d, "UPDATE sessions SET status = 'ERROR'; UPDATE kernels SET status = 'ERROR'");
    (void)repair(w.c, w.a, false, "wet");
    ck_assert_msg(strstr(lines, "dead allocation: mended\n") != NULL, "told:\n%s", lines);
}
END_TEST

START_TEST(repair_completes_with_history_event_and_counts)
{
    CLEANUP(world_close) struct world w = world_open(HALF("a1"));
    const struct repair_result r = repair(w.c, w.a, false, "repair");
    ck_assert_int_eq(r.n_events, 1);
    const struct event *v = &r.events[0];
    ck_assert_msg(v->type == EVENT_SESSION_SCHEDULED && v->sequence == 1 && v->epoch == 1 &&
                      v->time > 0 && strcmp(v->scaling_group, "g1") == 0 &&
                      strcmp(v->from_status, "PENDING") == 0 &&
                      strcmp(v->to_status, "SCHEDULED") == 0 && strcmp(v->reason, "repaired") == 0,
                  "the event is not that of a scheduled session");
    ck_assert_int_eq(v->n_allocations, 2);
    ck_assert_str_eq(v->allocations[1].agent_id, "a1");
    ck_assert_str_eq(v->allocations[1].agent_addr, "tcp://a1:6001");
    ck_assert_int_eq(v->allocations[1].n_slots, 2);
    ck_assert_str_eq(v->allocations[1].slots[0].slot, "cpu");
    ck_assert_str_eq(v->allocations[1].slots[0].amount, "2");
    world_expect(&w.d,
                 "SELECT phase || ' ' || from_status || ' ' || to_status || ' ' || result "
                 "FROM session_scheduling_history",
                 "repair PENDING SCHEDULED SUCCESS", "the history row");
    world_expect(&w.d,
                 "SELECT array_to_string(agent_ids, ',') || ' ' || status_info || ' ' || "
                 "(status_history ? 'SCHEDULED') FROM sessions",
                 "a1 scheduled true", "the session");
    ck_assert_int_eq(r.n_owners, 1);
    ck_assert_str_eq(r.owners[0].access_key, "AK1");
    ck_assert_int_eq(r.owners[0].sessions, 1);
    ck_assert_int_eq(r.owners[0].version, 1);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.owner_versions"), 4);
}
END_TEST

START_TEST(repair_lets_the_next_round_place_what_it_put_back)
{
    CLEANUP(world_close)
    struct world w = world_open(
        HALF("a1") "UPDATE kernels SET status = 'PENDING', agent = NULL WHERE id = t.id('s/2')");
    const struct session *s = &w.s->sessions[world_session(w.s, "s")];
    ck_assert_msg(s->bad_data != NULL, "before the repair no round takes it");
    (void)repair(w.c, w.a, false, "repair");
    w.s = world_load(w.c, "g1", w.a);
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s", "a2");
    const struct commit_input in = world_commit(w.c, w.s, p);
    struct commit_result done;
    assert_done(plan_commit(w.c, &in, w.a, &done, &e), &e, "commit");
    ck_assert_int_eq(p->counts[OUTCOME_SCHEDULED], 1);
    world_expect(&w.d, STATE, "SCHEDULED SCHEDULED@a2 SCHEDULED@a2", "placed elsewhere");
    world_check(&w.d, "after the round");
}
END_TEST

START_TEST(repair_goes_on_beyond_one_transaction)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.agent('n' || i, 'g1', 100, 1000000) FROM generate_series(1, 230) i;"
        "SELECT t.session('h' || i, 1, 10), t.place('h' || i, 'n' || i, 'SCHEDULED'),"
        " t.session('d' || i, 1, 10), t.place('d' || i, 'n' || i, 'RUNNING')"
        " FROM generate_series(1, 230) i;"
        "UPDATE sessions SET status = 'PENDING' WHERE name LIKE 'h%';"
        "UPDATE sessions SET status = 'TERMINATED' WHERE name LIKE 'd%';"
        "UPDATE kernels SET status = 'TERMINATED' FROM sessions s WHERE s.id = session_id AND "
        "s.name LIKE 'd%';"
        "UPDATE agent_resources SET reserved = reserved + 5 WHERE slot_name = 'mem' AND agent_id "
        "LIKE 'n%'");
    const struct repair_result r = repair(w.c, w.a, false, "repair");
    ck_assert_msg(r.found == 690 && r.mended == 690, "%u found, %u mended", r.found, r.mended);
    ck_assert_int_eq(r.n_events, 230);
    for (uint32_t i = 0; i < r.n_events; i++)
        ck_assert_int_eq(r.events[i].sequence, i + 1);
    ck_assert_int_eq(repair(w.c, w.a, false, "again").found, 0);
    world_check(&w.d, "after it");
}
END_TEST

START_TEST(repair_needs_a_group_that_exists)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct repair_result r;
    const struct repair_input in = {.scaling_group = "nowhere"};
    assert_failed(repair_run(w.c, &in, w.a, &r, &e), &e, ERR_NOT_FOUND, "UNKNOWN_SCALING_GROUP",
                  "an unknown group");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("repair");
    TCase *tc = tcase_create("repair");
    tcase_add_loop_test(tc, repair_finds_and_mends_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, repair_says_what_it_saw_and_did);
    tcase_add_test(tc, repair_completes_with_history_event_and_counts);
    tcase_add_test(tc, repair_lets_the_next_round_place_what_it_put_back);
    tcase_add_test(tc, repair_goes_on_beyond_one_transaction);
    tcase_add_test(tc, repair_needs_a_group_that_exists);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
