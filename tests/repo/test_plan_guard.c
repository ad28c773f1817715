/* test_plan_guard.c - what changed between load and commit costs the sessions it touches, no other.
 */
#include <stdio.h>
#include <string.h>

#include "repo/scaling_group.h"
#include "tests/repo/world.h"

/* --- one change each --- */

/* The plan: s1 (two kernels, 3 cpu each) on a1, s2 (2 cpu) on a2, s3 (2 cpu, of AK2) on a1. `lost`
 * names those that must come out as CONFLICT, `says` is part of s1's or the first one's sentence.
 */
static const struct {
    const char *what, *before, *meanwhile, *lost, *says;
} changes[] = {
    {"s1 was cancelled", "", "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's1'", "s1",
     "The session is CANCELLED now."},
    {"s1 was scheduled by somebody else", "",
     "UPDATE sessions SET status = 'SCHEDULED' WHERE name = 's1'", "s1",
     "The session is SCHEDULED now."},
    {"s1 was deleted", "",
     "DELETE FROM resource_allocations WHERE kernel_id IN (t.id('s1/1'), t.id('s1/2')); "
     "DELETE FROM kernels WHERE session_id = t.id('s1'); DELETE FROM sessions WHERE name = 's1'",
     "s1", "The session is gone."},
    {"the agent was lost", "", "UPDATE agents SET status = 'LOST' WHERE id = 'a1'", "s1 s3",
     "agent \"a1\" is LOST now"},
    {"the agent is not schedulable", "", "UPDATE agents SET schedulable = false WHERE id = 'a1'",
     "s1 s3", "agent \"a1\" is not schedulable now"},
    {"the agent went to another group", "",
     "UPDATE agents SET resource_group_id = t.id('g2') WHERE id = 'a1'", "s1 s3",
     "agent \"a1\" is not schedulable now"},
    {"the agent was deleted", "", "DELETE FROM agents WHERE id = 'a1'", "s1 s3",
     "agent \"a1\" is gone"},
    {"the agent's capacity is gone", "",
     "DELETE FROM agent_resources WHERE agent_id = 'a1' AND slot_name = 'cpu'", "s1 s3",
     "Agent \"a1\" has not enough cpu left: 3 requested, 0 available."},
    {"the agent shrank, and only the smaller session fits", "",
     "UPDATE agent_resources SET capacity = 4 WHERE agent_id = 'a1' AND slot_name = 'cpu'", "s1",
     "Agent \"a1\" has not enough cpu left: 3 requested, 1 available."},
    {"the agent shrank to a size for the first session in the plan", "",
     "UPDATE agent_resources SET capacity = 7 WHERE agent_id = 'a1' AND slot_name = 'cpu'", "s3",
     "Agent \"a1\" has not enough cpu left: 2 requested, 1 available."},
    {"somebody took of the agent", "SELECT t.session('x', 6, 0)",
     "SELECT t.place('x', 'a1', 'RUNNING')", "s1", "3 requested, 2 available"},
    {"the agent's row cannot be read any more", "SELECT t.hostile()",
     "UPDATE agent_resources SET used = 'NaN' WHERE agent_id = 'a1' AND slot_name = 'mem'", "s1 s3",
     "agent_resources.used of slot mem is not a number"},
    {"a kernel of s1 runs", "", "UPDATE kernels SET status = 'RUNNING' WHERE id = t.id('s1/2')",
     "s1", "The status of kernel"},
    {"the kernel of s2 runs", "", "UPDATE kernels SET status = 'RUNNING' WHERE id = t.id('s2/1')",
     "s2", "The status of kernel"},
    {"a kernel of s1 went to another session", "",
     "UPDATE kernels SET session_id = t.id('s2') WHERE id = t.id('s1/2')", "s1",
     "The status of kernel"},
    {"a kernel of s1 asks for more", "",
     "UPDATE resource_allocations SET requested = 4 WHERE kernel_id = t.id('s1/1') "
     "AND slot_name = 'cpu'",
     "s1", "The resource_allocations of kernel"},
    {"a kernel of s1 asks for another slot", "",
     "INSERT INTO resource_allocations (kernel_id, slot_name, requested) "
     "VALUES (t.id('s1/1'), 'cuda.shares', 1)",
     "s1", "The resource_allocations of kernel"},
    {"the ledger of s1 was freed", "",
     "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = t.id('s1/2')", "s1",
     "The resource_allocations of kernel"},
    {"two sessions lost at different guards", "",
     "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's2'; "
     "UPDATE kernels SET status = 'RUNNING' WHERE id = t.id('s1/2')",
     "s1 s2", "The status of kernel"},
    {"an owner's version moved, and its limits still hold", "",
     "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 3), (3, 'default', 9)", "", ""},
    {"a zero request for a slot was added", "",
     "INSERT INTO resource_allocations (kernel_id, slot_name, requested) "
     "VALUES (t.id('s1/1'), 'cuda.shares', 0)",
     "", ""},
    {"the address of the agent changed", "",
     "UPDATE agents SET addr = 'tcp://new:1' WHERE id = 'a1'", "", ""},
};

/* Whether `name` is among the words of a list. */
static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p[n] == ' ' || p[n] == '\0') && (p == list || p[-1] == ' '))
            return true;
    return false;
}

static void expect_outcome(const struct world *w, const struct plan *p, const char *name,
                           const char *lost, const char *what)
{
    const struct decision *d = plan_decision(p, w->s, name);
    bool is_lost = listed(lost, name);
    ck_assert_msg(d->outcome == (is_lost ? OUTCOME_CONFLICT : OUTCOME_SCHEDULED),
                  "%s: %s came out as %s%s%s", what, name, outcome_name(d->outcome),
                  d->n_causes > 0 ? ": " : "", d->n_causes > 0 ? d->causes[0].message : "");
    if (!is_lost)
        return;
    ck_assert_msg(d->n_causes == 1 && d->causes[0].kind == CAUSE_CONFLICT && d->causes[0].retryable,
                  "%s: %s has no cause", what, name);
    char sql[200], id[UUID_TEXT];
    uuid_format(&w->s->sessions[d->session].id, id);
    ck_assert_msg(strcmp(d->causes[0].plugin, "commit") == 0 &&
                      strcmp(d->causes[0].subject, id) == 0 && d->n_placements == 0,
                  "%s: the cause of %s is of %s about %s, with %u placements", what, name,
                  d->causes[0].plugin, d->causes[0].subject, d->n_placements);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM kernels k JOIN resource_allocations r ON r.kernel_id = "
                   "k.id WHERE k.session_id = t.id('%s') AND (k.agent IS NOT NULL OR "
                   "r.reserved <> 0)",
                   name);
    ck_assert_msg(db_int(&w->d, sql) == 0, "%s: something of %s was written", what, name);
}

START_TEST(commit_drops_only_what_no_longer_holds)
{
    const char *what = changes[_i].what, *lost = changes[_i].lost;
    char sql[600];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT t.session('s1', 3, 0, 2), t.session('s2', 2, 0), "
                   "t.session('s3', 2, 0, 1, 'g1', 'AK2'); %s",
                   changes[_i].before);
    CLEANUP(world_close) struct world w = world_open(sql);
    struct err e = {.code = ERR_NONE};
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_place(p, w.s, "s2", "a2");
    plan_place(p, w.s, "s3", "a1");
    struct commit_input in = world_commit(w.c, w.s, p);
    world_do(&w.d, changes[_i].meanwhile);
    struct commit_result r;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    uint32_t n_lost = 0;
    const char *names[] = {"s1", "s2", "s3"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        expect_outcome(&w, p, names[i], lost, what);
        const struct decision *d = plan_decision(p, w.s, names[i]);
        if (listed(lost, names[i]) && n_lost++ == 0)
            ck_assert_msg(strstr(d->causes[0].message, changes[_i].says) != NULL,
                          "%s: expected \"...%s...\", got \"%s\"", what, changes[_i].says,
                          d->causes[0].message);
    }
    ck_assert_msg(p->counts[OUTCOME_CONFLICT] == n_lost &&
                      p->counts[OUTCOME_SCHEDULED] == 3 - n_lost,
                  "%s: counts %u scheduled, %u lost", what, p->counts[OUTCOME_SCHEDULED],
                  p->counts[OUTCOME_CONFLICT]);
    ck_assert_msg(r.n_events == 3 - n_lost + 1, "%s: %u events", what, r.n_events);
}
END_TEST

/* --- owners that somebody else changed --- */

/* AK1 may use 6 cpu and run 3 sessions; s1, s2, s3 ask for 2 cpu each. */
static const char sql_quota[] =
    "SELECT t.session('s1', 2, 0), t.session('s2', 2, 0), t.session('s3', 2, 0), "
    "t.session('sftp', 2, 0, 1, 'g1', 'AK1', 'SYSTEM'), t.session('other', 3, 0, 1, 'g2'); "
    "UPDATE keypair_resource_policies SET total_resource_slots = '{\"cpu\": \"6\"}', "
    "max_concurrent_sessions = 3, max_concurrent_sftp_sessions = 1";

static uint32_t commit_three(struct world *w, struct plan *p, uint32_t chunk)
{
    struct err e = {.code = ERR_NONE};
    struct commit_input in = world_commit(w->c, w->s, p);
    struct commit_result r;
    in.chunk = chunk;
    assert_done(plan_commit(w->c, &in, w->a, &r, &e), &e, "commit");
    return p->counts[OUTCOME_SCHEDULED];
}

static struct plan *plan_three(struct world *w)
{
    struct plan *p = world_plan(w->s, w->a);
    plan_place(p, w->s, "s1", "a1");
    plan_place(p, w->s, "s2", "a1");
    plan_place(p, w->s, "s3", "a1");
    return p;
}

/* Group g2 commits session `other` of the same key. */
static void commit_other(struct world *w)
{
    CLEANUP(pg_closep) struct pg *c = db_open(&w->d);
    const struct snapshot *s = world_load(c, "g2", w->a);
    struct plan *p = world_plan(s, w->a);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    plan_place(p, s, "other", "b1");
    struct commit_input in = world_commit(c, s, p);
    assert_done(plan_commit(c, &in, w->a, &r, &e), &e, "commit in the other group");
    ck_assert_uint_eq(p->counts[OUTCOME_SCHEDULED], 1);
}

static int64_t cpu_of_key(const struct world *w)
{
    return db_int(&w->d, "SELECT coalesce(sum(r.requested), 0)::int FROM kernels k "
                         "JOIN resource_allocations r ON r.kernel_id = k.id WHERE k.agent IS NOT "
                         "NULL AND k.access_key = 'AK1' AND k.session_type <> 'SYSTEM' "
                         "AND r.slot_name = 'cpu' AND r.free_at IS NULL");
}

START_TEST(commit_trusts_its_own_chunks)
{
    CLEANUP(world_close) struct world w = world_open(sql_quota);
    struct plan *p = plan_three(&w);
    ck_assert_msg(commit_three(&w, p, 1) == 3, "its own chunks count against a plan that had them");
    world_check(&w.d, "three chunks of one session");
}
END_TEST

START_TEST(commit_keeps_a_quota_that_another_group_has_used)
{
    for (uint32_t chunk = 1; chunk <= 3; chunk += 2) {
        CLEANUP(world_close) struct world w = world_open(sql_quota);
        struct plan *p = plan_three(&w);
        commit_other(&w);
        ck_assert_msg(commit_three(&w, p, chunk) == 1, "chunk %u: %u scheduled, 1 fits", chunk,
                      p->counts[OUTCOME_SCHEDULED]);
        ck_assert_msg(cpu_of_key(&w) == 5, "chunk %u: the key uses %lld of 6 cpu", chunk,
                      (long long)cpu_of_key(&w));
        const struct decision *d = plan_decision(p, w.s, "s2");
        ck_assert_str_eq(d->causes[0].message, "Keypair \"AK1\" uses 5 of 6 cpu now.");
        world_check(&w.d, "after a quota was used elsewhere");
    }
}
END_TEST

START_TEST(commit_keeps_a_concurrency_limit_that_another_group_has_used)
{
    CLEANUP(world_close) struct world w = world_open(sql_quota);
    struct plan *p = plan_three(&w);
    world_do(&w.d,
             "UPDATE resource_allocations SET requested = 0 WHERE kernel_id = t.id('other/1')");
    commit_other(&w);
    ck_assert_uint_eq(commit_three(&w, p, 0), 2);
    ck_assert_str_eq(plan_decision(p, w.s, "s3")->causes[0].message,
                     "Keypair \"AK1\" runs 3 of 3 sessions now.");
}
END_TEST

START_TEST(commit_does_not_charge_private_sessions)
{
    CLEANUP(world_close) struct world w = world_open(sql_quota);
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "sftp", "a1");
    plan_place(p, w.s, "s1", "a1");
    commit_other(&w);
    ck_assert_msg(commit_three(&w, p, 0) == 2, "a private session used quota");
}
END_TEST

START_TEST(commit_lets_more_in_when_usage_was_given_back)
{
    char sql[900];
    (void)snprintf(sql, sizeof(sql), "%s; SELECT t.place('other', 'b1', 'RUNNING')", sql_quota);
    CLEANUP(world_close) struct world w = world_open(sql);
    struct plan *p = plan_three(&w);
    world_do(&w.d,
             "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = t.id('other/1'); "
             "UPDATE sessions SET status = 'TERMINATED' WHERE name = 'other'; "
             "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 3)");
    ck_assert_uint_eq(commit_three(&w, p, 0), 3);
}
END_TEST

/* --- the fence --- */

START_TEST(commit_of_an_older_epoch_changes_nothing)
{
    CLEANUP(world_close) struct world w = world_open(sql_quota);
    struct err e = {.code = ERR_NONE};
    struct plan *p = plan_three(&w);
    struct commit_input in = world_commit(w.c, w.s, p);
    struct commit_result r;
    int64_t newer;
    assert_done(scaling_group_take_epoch(w.c, "g1", &in.round_id, &newer, &e), &e, "take over");
    ck_assert_int_eq(newer, in.epoch + 1);
    assert_failed(plan_commit(w.c, &in, w.a, &r, &e), &e, ERR_CONFLICT, "FENCED", "an older epoch");
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM sessions WHERE status <> 'PENDING'"), 0);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.events"), 0);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.owner_versions"), 0);
    ck_assert_uint_eq(p->counts[OUTCOME_SCHEDULED], 3);
    ck_assert_uint_eq(r.n_events, 0);
    world_check(&w.d, "after a fenced commit");
}
END_TEST

/* The second chunk's events meet a group whose epoch moved while the first one was committed. */
START_TEST(commit_keeps_its_first_chunk_when_the_second_is_fenced)
{
    CLEANUP(world_close) struct world w = world_open(sql_quota);
    struct err e = {.code = ERR_NONE};
    world_do(&w.d, "CREATE FUNCTION t.fence() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                   "NEW.epoch := NEW.epoch + 1; RETURN NEW; END $$; "
                   "CREATE TRIGGER fence BEFORE UPDATE OF last_sequence ON berth.group_state "
                   "FOR EACH ROW EXECUTE FUNCTION t.fence()");
    struct plan *p = plan_three(&w);
    struct commit_input in = world_commit(w.c, w.s, p);
    struct commit_result r;
    in.chunk = 2;
    assert_failed(plan_commit(w.c, &in, w.a, &r, &e), &e, ERR_CONFLICT, "FENCED", "second chunk");
    ck_assert_uint_eq(r.n_events, 2);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM sessions WHERE status = 'SCHEDULED'"), 2);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.rounds"), 0);
    world_check(&w.d, "after half a round");
}
END_TEST

/* --- how many sessions an access key runs, chunk by chunk --- */

/* s1, s2, sftp, s3 of AK1 in chunks of one; in between another group may schedule one more. */
static const struct {
    const char *what;
    uint32_t other_before; /* that chunk, from 1; 0: never */
    struct owner_count after[4];
} counted[] = {
    {"nobody else schedules",
     0,
     {{"AK1", 1, 0, 1}, {"AK1", 2, 0, 2}, {"AK1", 2, 1, 3}, {"AK1", 3, 1, 4}}},
    {"another replica schedules before the 2nd chunk",
     2,
     {{"AK1", 1, 0, 1}, {"AK1", 3, 0, 3}, {"AK1", 3, 1, 4}, {"AK1", 4, 1, 5}}},
    {"another replica schedules before the 3rd chunk",
     3,
     {{"AK1", 1, 0, 1}, {"AK1", 2, 0, 2}, {"AK1", 3, 1, 4}, {"AK1", 4, 1, 5}}},
};

struct between { /* chunks */
    struct world *w;
    uint32_t chunk, other_before;
};

static int between_chunks(void *ctx, struct err *e)
{
    (void)e;
    struct between *b = ctx;
    if (++b->chunk == b->other_before)
        commit_other(b->w);
    return 0;
}

START_TEST(commit_counts_live_sessions_chunk_by_chunk)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0), "
                                "t.session('sftp', 1, 0, 1, 'g1', 'AK1', 'SYSTEM'), "
                                "t.session('s3', 1, 0), t.session('other', 1, 0, 1, 'g2')");
    const char *what = counted[_i].what;
    struct err e = {.code = ERR_NONE};
    struct plan *p = world_plan(w.s, w.a);
    static const char *const names[] = {"s1", "s2", "sftp", "s3"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        plan_place(p, w.s, names[i], "a1");
    struct between between = {.w = &w, .other_before = counted[_i].other_before};
    struct commit_input in = world_commit(w.c, w.s, p);
    struct commit_result r;
    in.chunk = 1;
    in.guard = between_chunks;
    in.guard_ctx = &between;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    ck_assert_msg(r.n_owners == 4, "%s: %u counts of 4 chunks", what, r.n_owners);
    for (uint32_t i = 0; i < r.n_owners; i++) {
        const struct owner_count *is = &r.owners[i], *wanted = &counted[_i].after[i];
        ck_assert_msg(
            is->sessions == wanted->sessions && is->sftp_sessions == wanted->sftp_sessions &&
                is->version == wanted->version,
            "%s: chunk %u: %lld and %lld sessions at version %lld", what, i + 1,
            (long long)is->sessions, (long long)is->sftp_sessions, (long long)is->version);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_guard");
    TCase *tc = tcase_create("plan_guard");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, commit_drops_only_what_no_longer_holds, 0, ARRAY_SIZE(changes));
    tcase_add_test(tc, commit_trusts_its_own_chunks);
    tcase_add_test(tc, commit_keeps_a_quota_that_another_group_has_used);
    tcase_add_test(tc, commit_keeps_a_concurrency_limit_that_another_group_has_used);
    tcase_add_test(tc, commit_does_not_charge_private_sessions);
    tcase_add_test(tc, commit_lets_more_in_when_usage_was_given_back);
    tcase_add_test(tc, commit_of_an_older_epoch_changes_nothing);
    tcase_add_test(tc, commit_keeps_its_first_chunk_when_the_second_is_fenced);
    tcase_add_loop_test(tc, commit_counts_live_sessions_chunk_by_chunk, 0, ARRAY_SIZE(counted));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
