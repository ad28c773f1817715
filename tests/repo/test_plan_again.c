/* test_plan_again.c - a commit whose transaction is repeated or fails, and what it holds meanwhile.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <string.h>

#include "repo/scaling_group.h"
#include "tests/repo/world.h"

/* --- a transaction that is repeated, in another world --- */

/* The first attempt to write events fails as if it could not be serialized. */
static const char sql_trip[] =
    "CREATE SEQUENCE t.tries; CREATE FUNCTION t.trip() RETURNS trigger LANGUAGE plpgsql AS $$ "
    "BEGIN IF nextval('t.tries') <= 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; "
    "END IF; RETURN NULL; END $$; CREATE TRIGGER trip AFTER INSERT ON berth.events "
    "FOR EACH STATEMENT EXECUTE FUNCTION t.trip(); "
    "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0), t.session('s3', 1, 0)";

static const struct {
    const char *what, *first, *second; /* what happens before each attempt */
    enum outcome s1;
} worlds[] = {
    {"an agent is back", "UPDATE agents SET schedulable = false WHERE id = 'a1'",
     "UPDATE agents SET schedulable = true WHERE id = 'a1'", OUTCOME_SCHEDULED},
    {"an agent goes", "", "UPDATE agents SET schedulable = false WHERE id = 'a1'",
     OUTCOME_CONFLICT},
    {"nothing changes", "", "", OUTCOME_SCHEDULED},
};

struct attempts {
    const struct db *d;
    const char *before[2];
    unsigned n;
};

static int next_world(void *ctx, struct err *e)
{
    struct attempts *t = ctx;
    (void)e;
    ck_assert_msg(t->n < ARRAY_SIZE(t->before), "a third attempt");
    world_do(t->d, t->before[t->n++]);
    return 0;
}

START_TEST(commit_says_what_its_last_attempt_found)
{
    const char *what = worlds[_i].what;
    CLEANUP(world_close) struct world w = world_open(sql_trip);
    struct attempts attempts = {.d = &w.d, .before = {worlds[_i].first, worlds[_i].second}};
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_place(p, w.s, "s2", "a2");
    plan_say(p, w.s, w.a, "s3", OUTCOME_WAITING, CAUSE_CAPACITY, "no room");
    struct commit_input in = world_commit(w.c, w.s, p);
    in.guard = next_world;
    in.guard_ctx = &attempts;
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    const bool placed = worlds[_i].s1 == OUTCOME_SCHEDULED;
    const struct decision *d = plan_decision(p, w.s, "s1");
    ck_assert_msg(attempts.n == 2, "%s: %u attempts", what, attempts.n);
    ck_assert_msg(d->outcome == worlds[_i].s1 && d->n_placements == placed &&
                      d->n_causes == !placed,
                  "%s: s1 is %s with %u placements and %u causes", what, outcome_name(d->outcome),
                  d->n_placements, d->n_causes);
    ck_assert_msg(p->counts[OUTCOME_SCHEDULED] == 1u + placed &&
                      p->counts[OUTCOME_CONFLICT] == !placed && p->counts[OUTCOME_WAITING] == 1,
                  "%s: counts %u scheduled, %u lost", what, p->counts[OUTCOME_SCHEDULED],
                  p->counts[OUTCOME_CONFLICT]);
    ck_assert_msg(r.n_events == 3u + placed, "%s: %u events", what, r.n_events);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM sessions WHERE status = 'SCHEDULED'") ==
                      1 + placed,
                  "%s: the rows say otherwise", what);
    world_check(&w.d, what);
}
END_TEST

/* A guard finds the first out, the write the second, which then runs again and meets the fence. */
static const char *const losses[] = {
    "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's1'",
    "UPDATE kernels SET status = 'RUNNING' WHERE id = t.id('s1/1')",
};

START_TEST(commit_that_fails_leaves_the_plan_as_it_was)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0)");
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_place(p, w.s, "s2", "a1");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    int64_t newer;
    world_do(&w.d, losses[_i]);
    assert_done(scaling_group_take_epoch(w.c, "g1", &in.round_id, &newer, &e), &e, "take over");
    assert_failed(plan_commit(w.c, &in, w.a, &r, &e), &e, ERR_CONFLICT, "FENCED", "an old epoch");
    for (uint32_t i = 0; i < p->n_decisions; i++)
        ck_assert_msg(p->decisions[i].outcome == OUTCOME_SCHEDULED &&
                          p->decisions[i].n_causes == 0 && p->decisions[i].n_placements == 1,
                      "decision %u is %s with %u causes", i, outcome_name(p->decisions[i].outcome),
                      p->decisions[i].n_causes);
    ck_assert_uint_eq(p->counts[OUTCOME_SCHEDULED], 2);
    ck_assert_uint_eq(p->counts[OUTCOME_CONFLICT], 0);
}
END_TEST

START_TEST(commit_leaves_what_was_skipped_alone)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s1", OUTCOME_SKIPPED, CAUSE_QUEUE_POLICY, "not now");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    world_do(&w.d, "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's1'");
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "a skipped session that is gone");
    ck_assert_int_eq(p->decisions[0].outcome, OUTCOME_SKIPPED);
    ck_assert_uint_eq(p->counts[OUTCOME_SKIPPED], 1);
    ck_assert_uint_eq(p->counts[OUTCOME_CONFLICT], 0);
}
END_TEST

/* --- what is locked while a commit waits for an owner --- */

/* Each counts the rows that another transaction could change now. */
static const struct {
    const char *what, *sql;
} held[] = {
    {"a session that is placed", "sessions WHERE name = 's1' FOR NO KEY UPDATE"},
    {"a session that fails", "sessions WHERE name = 's2' FOR NO KEY UPDATE"},
    {"the agent", "agents WHERE id = 'a2' FOR NO KEY UPDATE"},
    {"what the agent holds", "agent_resources WHERE agent_id = 'a2' FOR NO KEY UPDATE"},
};

struct onlooker {
    const struct db *d;
    PGconn *owner; /* holds the keypair's version */
    int64_t free[ARRAY_SIZE(held)], referable, unused;
};

static int64_t count_free(const struct db *d, const char *rows)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM (SELECT 1 FROM %s SKIP LOCKED) x", rows);
    return db_int(d, sql);
}

static void *look_on(void *ctx)
{
    struct onlooker *o = ctx;
    db_await(o->d, SQL_LOCK_WAITS, "the commit's wait for the owner");
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        o->free[i] = count_free(o->d, held[i].sql);
    o->referable = count_free(o->d, "agents WHERE id = 'a2' FOR KEY SHARE");
    o->unused = count_free(o->d, "agents WHERE id <> 'a2' FOR UPDATE");
    PQclear(PQexec(o->owner, "ROLLBACK"));
    return NULL;
}

START_TEST(commit_holds_what_it_has_checked)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0)");
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a2");
    plan_say(p, w.s, w.a, "s2", OUTCOME_WAITING, CAUSE_CAPACITY, "no room");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct onlooker o = {.d = &w.d, .owner = PQconnectdb(w.d.conninfo)};
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    pthread_t thread;
    PQclear(PQexec(o.owner, "BEGIN; INSERT INTO berth.owner_versions VALUES (0, 'AK1', 3)"));
    ck_assert_int_eq(PQtransactionStatus(o.owner), PQTRANS_INTRANS);
    ck_assert_int_eq(pthread_create(&thread, NULL, look_on, &o), 0);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "a commit that waited for an owner");
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    PQfinish(o.owner);
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        ck_assert_msg(o.free[i] == 0, "%s is not locked", held[i].what);
    ck_assert_msg(o.unused == 2, "agents are locked that nothing is placed on");
    ck_assert_msg(o.referable == 1, "no kernel of the Manager's can refer to the agent meanwhile");
}
END_TEST

/* --- in which order --- */

/* Another transaction holds the row that comes first; the one behind it, which lies before it in
 * the table, is free while the commit waits. */
static const struct {
    const char *what, *first, *behind;
} orders[] = {
    {"sessions by id", "SELECT FROM sessions WHERE name = 's4' FOR UPDATE",
     "sessions WHERE name = 's1' FOR UPDATE"},
    {"agents by id", "SELECT FROM agents WHERE id = 'a0' FOR NO KEY UPDATE",
     "agents WHERE id = 'a1' FOR NO KEY UPDATE"},
    {"what agents hold by agent",
     "SELECT FROM agent_resources WHERE agent_id = 'a0' AND slot_name = 'cpu' FOR UPDATE",
     "agent_resources WHERE agent_id = 'a1' AND slot_name = 'cpu' FOR UPDATE"},
    {"what an agent holds by slot",
     "SELECT FROM agent_resources WHERE agent_id = 'a0' AND slot_name = 'cpu' FOR UPDATE",
     "agent_resources WHERE agent_id = 'a0' AND slot_name = 'mem' FOR UPDATE"},
    {"owners by kind", "INSERT INTO berth.owner_versions VALUES (0, 'AK2', 1)",
     "berth.owner_versions WHERE owner_kind = 3 FOR UPDATE"},
};

/* The planner begins with the tables, so that rows come as they lie if nobody orders them. */
static const char sql_orders[] =
    "DO $$ DECLARE s text; BEGIN FOREACH s IN ARRAY ARRAY['nestloop', 'mergejoin', 'indexscan', "
    "'bitmapscan'] LOOP EXECUTE format('ALTER DATABASE %I SET enable_%s = off', "
    "current_database(), "
    "s); END LOOP; END $$; "
    "SELECT t.agent('a0', 'g1', 8, 17179869184), t.session('s1', 1, 0), "
    "t.session('s4', 1, 0, 1, 'g1', 'AK2'); "
    "WITH x AS (DELETE FROM agent_resources WHERE agent_id = 'a0' AND slot_name = 'cpu' RETURNING "
    "*) "
    "INSERT INTO agent_resources SELECT * FROM x; "
    "INSERT INTO berth.owner_versions VALUES (3, 'default', 1)";

struct waiter {
    const struct db *d;
    PGconn *holder;
    const char *behind;
    int64_t free;
};

static void *wait_behind(void *ctx)
{
    struct waiter *x = ctx;
    db_await(x->d, SQL_LOCK_WAITS, "the commit's wait for the first row");
    x->free = count_free(x->d, x->behind);
    PQclear(PQexec(x->holder, "ROLLBACK"));
    return NULL;
}

START_TEST(commit_locks_in_the_order_that_is_tabled)
{
    const char *what = orders[_i].what;
    CLEANUP(world_close) struct world w = world_open(sql_orders);
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_place(p, w.s, "s4", "a0");
    pg_close(w.c); /* the settings are for those that connect now */
    w.c = db_open(&w.d);
    struct commit_input in = world_commit(w.c, w.s, p);
    struct waiter x = {.d = &w.d, .holder = PQconnectdb(w.d.conninfo), .behind = orders[_i].behind};
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    pthread_t thread;
    PQclear(PQexec(x.holder, "BEGIN"));
    PQclear(PQexec(x.holder, orders[_i].first));
    ck_assert_msg(PQtransactionStatus(x.holder) == PQTRANS_INTRANS, "%s: %s", what,
                  PQerrorMessage(x.holder));
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_behind, &x), 0);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    PQfinish(x.holder);
    ck_assert_msg(x.free == 1, "%s: a later row is locked before", what);
    ck_assert_msg(p->counts[OUTCOME_SCHEDULED] == 2, "%s: not all are scheduled", what);
}
END_TEST

/* --- owners --- */

/* Somebody took of the quota and did not say so: nothing is read again for that. */
START_TEST(commit_reads_no_owner_again_that_only_it_has_moved)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('s1', 2, 0), t.session('s2', 2, 0), t.session('other', 3, 0, 1, 'g2'); "
        "UPDATE keypair_resource_policies SET total_resource_slots = '{\"cpu\": \"4\"}'; "
        "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 5)");
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_place(p, w.s, "s2", "a1");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    in.chunk = 1;
    world_do(&w.d, "SELECT t.place('other', 'b1', 'RUNNING')");
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "two chunks");
    ck_assert_msg(p->counts[OUTCOME_SCHEDULED] == 2, "its own first chunk counts as somebody else");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_again");
    TCase *tc = tcase_create("plan_again");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, commit_says_what_its_last_attempt_found, 0, ARRAY_SIZE(worlds));
    tcase_add_loop_test(tc, commit_that_fails_leaves_the_plan_as_it_was, 0, ARRAY_SIZE(losses));
    tcase_add_test(tc, commit_leaves_what_was_skipped_alone);
    tcase_add_test(tc, commit_holds_what_it_has_checked);
    tcase_add_loop_test(tc, commit_locks_in_the_order_that_is_tabled, 0, ARRAY_SIZE(orders));
    tcase_add_test(tc, commit_reads_no_owner_again_that_only_it_has_moved);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
