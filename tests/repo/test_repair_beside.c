/* test_repair_beside.c - repairs while rounds, cancels and a cluster manager write. */
#include <pthread.h>

#include "repo/pg_query.h"
#include "repo/repair.h"
#include "tests/repo/world.h"

static struct err e;

static struct repair_result repair(struct pg *c, struct arena *a, const char *what)
{
    struct repair_result r;
    const struct repair_input in = {.scaling_group = "g1"};
    struct err why = {.code = ERR_NONE};
    assert_done(repair_run(c, &in, a, &r, &why), &why, what);
    return r;
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

START_TEST(repair_fences_a_round_that_began_before_and_only_when_it_mends)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s', 2, 1024), t.session('x', 1, 1024)");
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s", "a1");
    const struct commit_input in = world_commit(w.c, w.s, p);
    struct commit_result done;
    (void)repair(w.c, w.a, "nothing to mend");
    ck_assert_int_eq(db_int(&w.d, "SELECT epoch FROM berth.group_state"), in.epoch);
    world_do(&w.d,
             "UPDATE agent_resources SET used = 1 WHERE agent_id = 'a1' AND slot_name = 'cpu'");
    ck_assert_int_eq(repair(w.c, w.a, "a counter").mended, 1);
    assert_failed(plan_commit(w.c, &in, w.a, &done, &e), &e, ERR_CONFLICT, "FENCED",
                  "the round from before");
    world_expect(&w.d, "SELECT status FROM sessions WHERE name = 's'", "PENDING", "not placed");
    world_check(&w.d, "after it");
}
END_TEST

struct runner { /* a repair in a thread of its own */
    const struct db *d;
    pthread_t thread;
    struct arena *a;
    struct repair_result r;
};

static void *run(void *arg)
{
    struct runner *u = arg;
    CLEANUP(pg_closep) struct pg *c = db_open(u->d);
    u->r = repair(c, u->a, "repair beside another writer");
    return NULL;
}

/* clang-format off */
static const struct {
    const char *what, *plant;
    const char *write; /* another writer's transaction: locks are held while the repair begins */
    uint32_t mended;
    const char *look, *after;
} races[] = {
    {"a cancel of a half scheduled session",
     HALF("a1"),
     "UPDATE sessions SET status = 'CANCELLED' WHERE id = t.id('s');"
     "UPDATE kernels SET status = 'CANCELLED' WHERE session_id = t.id('s');"
     "UPDATE resource_allocations SET free_at = now();"
     "UPDATE agent_resources SET reserved = 0 WHERE agent_id = 'a1'",
     0, STATE, "CANCELLED CANCELLED@a1 CANCELLED@a1"},
    {"a manager that comes to its second step after all",
     HALF("a1"), "UPDATE sessions SET status = 'SCHEDULED' WHERE id = t.id('s')",
     0, STATE, "SCHEDULED SCHEDULED@a1 SCHEDULED@a1"},
    {"an agent that reports a start",
     HALF("a1"), "UPDATE kernels SET status = 'PULLING' WHERE session_id = t.id('s')",
     0, STATE, "PENDING PULLING@a1 PULLING@a1"},
    {"a manager that frees a dead kernel itself",
     TWO "SELECT t.place('s', 'a1', 'RUNNING'); UPDATE kernels SET status = 'TERMINATED';"
     "UPDATE sessions SET status = 'TERMINATED'",
     "UPDATE agent_resources SET used = 0 WHERE agent_id = 'a1';"
     "UPDATE resource_allocations SET free_at = now()",
     0, COUNTERS, "0/0 0/0"},
    {"a manager that raises a wrong counter together with its ledger",
     TWO "UPDATE agent_resources SET reserved = reserved + 1 WHERE agent_id = 'a1'",
     "SELECT t.place('s', 'a1', 'SCHEDULED')", 2, COUNTERS, "4/0 2048/0"},
};
/* clang-format on */

START_TEST(repair_beside_another_writer_as_tabled)
{
    const char *what = races[_i].what;
    CLEANUP(world_close) struct world w = world_open(races[_i].plant);
    struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, what);
    assert_done(pg_script(t, races[_i].write, &e), &e, what);
    struct runner u = {.d = &w.d, .a = arena_create()};
    ck_assert_int_eq(pthread_create(&u.thread, NULL, run, &u), 0);
    db_await(&w.d,
             "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname "
             "= current_database()",
             "the repair waits for the writer");
    assert_done(txn_commit(&t, &e), &e, what);
    pthread_join(u.thread, NULL);
    ck_assert_msg(u.r.mended == races[_i].mended, "%s: %u mended", what, u.r.mended);
    world_expect(&w.d, races[_i].look, races[_i].after, what);
    arena_destroy(u.a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("repair_beside");
    TCase *tc = tcase_create("repair_beside");
    tcase_add_test(tc, repair_fences_a_round_that_began_before_and_only_when_it_mends);
    tcase_add_loop_test(tc, repair_beside_another_writer_as_tabled, 0, ARRAY_SIZE(races));
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
